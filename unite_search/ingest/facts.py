"""Check what a file says of itself while it can still be skipped alone, before it becomes rows of the catalog.

A fact that no row can hold becomes null, with a reason. A file whose items cannot be stored at all is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import short
from unite_search.media.types import Facts, MediaFile
from unite_search.storage.rows import EmbeddedItem, modified_at

MOST_PIXELS = (1 << 31) - 1
"""The widest picture of the columns `width` and `height`."""


def storable_facts(file: MediaFile, facts: Facts) -> Facts:
    """Return facts that the catalog can hold; `problems` says which ones became null, and why."""
    problems = list(facts.problems)
    if modified_at(file.mtime_ns) is None:
        problems.append("`modified_at` is empty: the modification time is not between the years 1678 and 2262")
    lost: dict[str, Any] = {}
    for name, holds in CHECKS.items():
        value = getattr(facts, name)
        if value is not None and not holds(value):
            problems.append(f"`{name}` is empty: the catalog cannot hold {short(repr(value))}")
            lost[name] = {} if name == "metadata" else None
    return replace(facts, **lost, problems=tuple(problems))


def storable_items(items: Sequence[EmbeddedItem]) -> list[EmbeddedItem]:
    """Return items with texts that are valid Unicode.

    Raises:
        UnreadableFileError: an item has a vector or a time that is not finite.
    """
    for item in items:
        if not np.isfinite(item.embedding).all():
            raise UnreadableFileError("its vector has numbers that are not finite")
        if not (_is_time(item.start_s) and _is_time(item.end_s)):
            raise UnreadableFileError("a segment without finite times")
    return [replace(item, text=None if item.text is None else _unicode(item.text)) for item in items]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= MOST_PIXELS


def _is_date(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _is_time(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _unicode(text: str) -> str:
    """Return a text with question marks for what is not Unicode: halves of a surrogate pair."""
    return text.encode(errors="replace").decode()


CHECKS: dict[str, Callable[[Any], bool]] = {
    "width": _is_size,
    "height": _is_size,
    "duration_s": _is_time,
    "taken_at": _is_date,
    "metadata": _is_json,
}
"""What each column takes besides null."""
