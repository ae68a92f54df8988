"""Reasons why a file cannot be read, in a few words and without its path."""

from __future__ import annotations

import errno

from unite_search.errors import UnreadableFileError

MAX_LENGTH = 100
LEADS_OUTSIDE = "a link that leads outside the indexed folders; --follow-links follows it"
UNKNOWN_TYPE = "unknown file type"

_WORDS = {
    errno.ENOENT: "vanished while indexing",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "a folder, not a file",
    errno.ELOOP: "a loop of links",
    errno.ENAMETOOLONG: "path too long",
    errno.ENOMEM: "needs too much memory",
}


def reason_of(error: OSError) -> str:
    """Return the reason for a system error."""
    return _WORDS.get(error.errno or 0) or short(error.strerror or str(error))


def failure_reason(error: Exception) -> str:
    """Return the reason for any error that a decoder raised."""
    if isinstance(error, UnreadableFileError):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs too much memory"
    if isinstance(error, OSError):
        return reason_of(error)
    return f"{type(error).__name__}: {short(str(error))}"


def short(message: str) -> str:
    """Return the first line of a library's message, cut to `MAX_LENGTH` characters."""
    line = next(iter(message.strip().splitlines()), "").strip()
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 3] + "..."
