"""Format paths, texts, times and sizes for people: on one line, without characters that control a terminal."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

_UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTION_MARKS = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""Escape control characters, direction overrides and bytes that are not UTF-8, as `\n` or `\xff`."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in _DIRECTION_MARKS or unicodedata.category(character) in _UNSAFE_CATEGORIES:
        return character.encode("unicode_escape").decode("ascii")
    return character


def shown_path(path: Path) -> str:
    """Return the path for display, relative if it is below the working directory."""
    try:
        return printable(str(path.relative_to(Path.cwd())))
    except (ValueError, FileNotFoundError):
        return printable(os.fspath(path))


def one_line(text: str, length: int) -> str:
    """Put a text on one line and cut it to `length` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def clock(seconds: float) -> str:
    """Format seconds as mm:ss, or as h:mm:ss from one hour on."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def time_range(start_s: float | None, end_s: float | None) -> str:
    """Format a segment as mm:ss-mm:ss; return an empty text for an item without time."""
    if start_s is None or end_s is None:
        return ""
    return f"{clock(start_s)}-{clock(end_s)}"


def file_size(size_bytes: float) -> str:
    """Format a size with a suitable unit."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Format a count with its noun, such as `1 item` or `2 items`; `plural` is for nouns that need more than an s."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
