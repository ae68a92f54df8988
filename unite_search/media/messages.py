"""What decode processes say, as data: how each message is written, and how the parent checks what it reads.

A message is a list: its name, then its fields; `wire` moves it. The parent believes nothing: types, lengths and shapes
are checked, and whatever does not fit is a `MalformedMessageError`, as if the decoder had crashed. What the parent
knows itself (the path of the file, its hash at the end) is not sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, get_type_hints

import numpy as np

from unite_search.content import Clip, Content, Image, Part
from unite_search.errors import UniteSearchError, UnreadableFileError
from unite_search.media.facts import MOST_PIXELS
from unite_search.media.sidecars import UNREAD
from unite_search.media.types import Cut, Draft, Facts, Hashes, MediaFile, Skipped
from unite_search.media.wire import MalformedMessageError, refuse_constant

MAX_REASON = 300
MAX_PARTS = 16
MAX_PROBLEMS = 16
MAX_METADATA_DEPTH = 40

_HASH = re.compile(r"[0-9a-f]{32}")
_HASH_OF_SIDECARS = re.compile(rf"({re.escape(UNREAD)}?[0-9a-f]{{32}})?")
_ERRORS: dict[str, type[UniteSearchError]] = {"unreadable": UnreadableFileError, "error": UniteSearchError}


@dataclass(frozen=True, slots=True)
class Hashed:
    """The hashes of the next file are known; the parent answers with a bool whether to read it."""

    hashes: Hashes


@dataclass(frozen=True, slots=True)
class Completed:
    """The file was read to its end, or to where it was cut."""


Message = Hashed | Facts | Draft | Cut | Completed | Skipped


def written(message: Message) -> list[Any]:
    """Return a message of a worker of the decode pool as data."""
    if isinstance(message, Draft):
        parts = [_written_part(part) for part in message.content.parts]
        return ["draft", parts, message.start_s, message.end_s, message.text, message.phash]
    if isinstance(message, Facts):
        taken_at = message.taken_at and message.taken_at.isoformat()
        metadata = json.dumps(message.metadata)
        problems = [_reason(problem) for problem in message.problems[:MAX_PROBLEMS]]
        return ["facts", message.width, message.height, message.duration_s, taken_at, metadata, problems]
    if isinstance(message, Hashed):
        return ["hashed", message.hashes.content, message.hashes.sidecars]
    if isinstance(message, Completed):
        return ["completed"]
    return ["cut" if isinstance(message, Cut) else "skipped", _reason(message.reason)]


def read(data: Any, file: MediaFile) -> Message:
    """Return the message about a file that some data are.

    Raises:
        MalformedMessageError: the data are no message.
    """
    name, *fields = data if isinstance(data, list) and data else [None]
    try:
        return _READERS[name](file, *fields)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedMessageError("no message of a decoder") from error


def written_outcome(value: object) -> list[Any]:
    """Return what a call gave as data: its value, or its error.

    Raises:
        TypeError: the value is none that can be sent.
    """
    if isinstance(value, UniteSearchError):
        kind = "unreadable" if isinstance(value, UnreadableFileError) else "error"
        return [kind, _reason(str(value))]
    return ["value", _written_value(value)]


def read_outcome(data: Any, expected: type[Any]) -> tuple[UniteSearchError | None, Any]:
    """Return the error of a call, or None and its value, which must be of the expected type.

    Raises:
        MalformedMessageError: the data are no such outcome.
    """
    try:
        kind, content = data
        if kind == "value":
            return None, _read_value(content, expected)
        return _ERRORS[kind](_reason(content)), None
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedMessageError("no answer of a decoder") from error


def return_type(function: Callable[..., object]) -> type[Any]:
    """Return the class that a function is annotated to return; for `None`, its type."""
    alone = SimpleNamespace(__annotations__={"return": function.__annotations__["return"]})
    found: type[Any] = get_type_hints(alone, getattr(function, "__globals__", {}))["return"]
    return found


def _written_part(part: Part) -> Any:
    if isinstance(part, Image):
        return ["image", part.pixels]
    return ["clip", part.frames, part.times_s] if isinstance(part, Clip) else part


def _written_value(value: object) -> Any:
    if isinstance(value, (Image, Clip)):
        return _written_part(value)
    if isinstance(value, bytes):
        return np.frombuffer(value, np.uint8)
    return [_written_value(field) for field in value] if isinstance(value, tuple) else value


def _read_value(data: Any, expected: Any) -> Any:
    if isinstance(expected, type) and issubclass(expected, tuple):
        hints = get_type_hints(expected).values()
        return expected(*(_read_value(field, hint) for field, hint in zip(data, hints, strict=True)))
    value = data
    if isinstance(data, list):
        value = _part(data)
    elif isinstance(data, np.ndarray):
        value = data.tobytes()
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise TypeError(f"a {type(value).__name__} instead of a {expected}")
    return value


def _draft(file: MediaFile, parts: Any, *fields: Any) -> Draft:
    start_s, end_s, text, phash = fields
    if not isinstance(parts, list) or len(parts) > MAX_PARTS:
        raise TypeError("parts of a draft")
    content = Content(tuple(_text(part) if isinstance(part, str) else _part(part) for part in parts))
    return Draft(
        content=content,
        start_s=_seconds(start_s),
        end_s=_seconds(end_s),
        text=_optional(_text, text),
        phash=_optional(_long, phash),
    )


def _part(data: Any) -> Image | Clip:
    name, *arrays = data
    if not all(isinstance(array, np.ndarray) and array.size for array in arrays):
        raise TypeError("no arrays")
    if name == "image":
        (pixels,) = arrays
        return Image(_pixels(pixels, 3))
    if name != "clip":
        raise ValueError("an unknown part")
    frames, times_s = arrays
    if times_s.dtype != np.float64 or times_s.shape != frames.shape[:1] or not np.isfinite(times_s).all():
        raise ValueError("times that are not those of the frames")
    return Clip(frames=_pixels(frames, 4), times_s=times_s)


def _pixels(array: Any, dimensions: int) -> Any:
    if array.dtype != np.uint8 or array.ndim != dimensions or array.shape[-1] != 3:
        raise ValueError("pixels of another shape")
    return array


def _facts(file: MediaFile, *fields: Any) -> Facts:
    width, height, duration_s, taken_at, metadata, problems = fields
    if not isinstance(problems, list) or len(problems) > MAX_PROBLEMS:
        raise TypeError("problems of facts")
    return Facts(
        width=_optional(_side, width),
        height=_optional(_side, height),
        duration_s=_seconds(duration_s),
        taken_at=_optional(_date, taken_at),
        metadata=_metadata(metadata),
        problems=tuple(map(_reason, problems)),
    )


def _hashed(file: MediaFile, content: Any, sidecars: Any) -> Hashed:
    if not (isinstance(content, str) and _HASH.fullmatch(content)):
        raise ValueError("no hash")
    if not (isinstance(sidecars, str) and _HASH_OF_SIDECARS.fullmatch(sidecars)):
        raise ValueError("no hash of sidecars")
    return Hashed(Hashes(content, sidecars))


def _metadata(text: Any) -> dict[str, Any]:
    found = json.loads(_text(text), parse_constant=refuse_constant, parse_float=_finite)
    if not isinstance(found, dict) or _depth(found) > MAX_METADATA_DEPTH:
        raise TypeError("metadata that are no object, or a deep one")
    json.dumps(found, ensure_ascii=False).encode()
    return found


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _text(value: Any) -> str:
    """Return a text that can be stored: a lone surrogate cannot."""
    if not isinstance(value, str):
        raise TypeError("no text")
    value.encode()
    return value


def _date(value: Any) -> datetime:
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=None)


def _side(value: Any) -> int:
    if type(value) is not int or not 0 < value <= MOST_PIXELS:
        raise ValueError("no number of pixels")
    return value


def _long(value: Any) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("no number of 64 bits")
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("no number of seconds")
    return float(value)


def _optional(check: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else check(value)


def _reason(value: Any) -> str:
    """Return a reason that can be stored and shown."""
    if not isinstance(value, str):
        raise TypeError("no reason")
    return value[:MAX_REASON].encode(errors="replace").decode()


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number that is too large")
    return number


_READERS: dict[Any, Callable[..., Message]] = {
    "draft": _draft,
    "facts": _facts,
    "hashed": _hashed,
    "completed": lambda _file: Completed(),
    "cut": lambda file, reason: Cut(path=file.path, reason=_reason(reason)),
    "skipped": lambda file, reason: Skipped(path=file.path, reason=_reason(reason)),
}
