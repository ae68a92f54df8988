"""Why a file cannot be read, in a few words without its path."""

from __future__ import annotations

import errno

MAX_LENGTH = 100

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
    """Put a system error in words."""
    return _WORDS.get(error.errno or 0) or short(error.strerror or str(error))


def short(message: str) -> str:
    """The first line of a library's message, cut to a length that fits a line."""
    line = next(iter(message.strip().splitlines()), "").strip()
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 3] + "..."
