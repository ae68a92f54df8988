"""JSON as its standard defines it: Python's own module writes and reads NaN and Infinity, which other programs refuse.

Numbers that are not finite become null, in both directions.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping
from typing import Any


def dumps(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """Return a value as JSON.

    Times become ISO texts, paths become texts, bytes become texts or else base64, other objects what `str` returns.
    """
    try:
        return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, default=_jsonable, allow_nan=False)
    except (ValueError, TypeError):
        return json.dumps(_plain(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)


def loads(text: str) -> Any:
    """Read JSON; NaN, Infinity and numbers too large for a float become None.

    Raises:
        ValueError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def finite(digits: str) -> float | None:
    """Return the number that some digits are; None where it is beyond what a float holds."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    """Return a value in which every float is finite and every key a text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    return _plain(_jsonable(value))


def _jsonable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if hasattr(value, "tolist"):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
