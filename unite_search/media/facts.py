"""Check what a file says of itself: a fact that no row of the catalog can hold becomes null, with a reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from unite_search.media.reasons import short
from unite_search.media.types import Facts

MOST_PIXELS = (1 << 31) - 1
"""The widest picture of the columns `width` and `height`."""


def storable(facts: Facts) -> Facts:
    """Return facts that the catalog can hold; `problems` says which ones became null, and why."""
    lost: dict[str, Any] = {}
    problems = list(facts.problems)
    for name, holds in CHECKS.items():
        value = getattr(facts, name)
        if value is not None and not holds(value):
            problems.append(f"`{name}` is empty: the catalog cannot hold {short(repr(value))}")
            lost[name] = {} if name == "metadata" else None
    return replace(facts, **lost, problems=tuple(problems))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= MOST_PIXELS


def _is_date(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _is_time(value: float) -> bool:
    return math.isfinite(value)


CHECKS: dict[str, Callable[[Any], bool]] = {
    "width": _is_size,
    "height": _is_size,
    "duration_s": _is_time,
    "taken_at": _is_date,
    "metadata": _is_json,
}
"""What each column takes besides null."""
