"""Standard streams that are closed, full, or read by nobody any more: a command ends quietly, or says so once."""

from __future__ import annotations

import os
import sys

CLOSED_PIPE = 141
"""The exit code of a program that SIGPIPE ended, which is what shells expect of one whose reader has left."""
STDOUT, STDERR = 1, 2


def open_closed() -> None:
    """Open closed standard streams on the null device, before a file of the collection gets their number."""
    for number in range(STDERR + 1):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def keep_stderr() -> None:
    """Keep stderr for this program: what native libraries write to its descriptor, such as panics, is discarded.

    They say nothing that a user could act on, and each of their errors is reported by this program as well.
    """
    own = os.dup(STDERR)
    encoding = sys.stderr.encoding
    sys.stderr = open(own, "w", encoding=encoding, errors="backslashreplace", buffering=1)  # noqa: SIM115, PTH123
    discard(STDERR)


def discard(number: int) -> None:
    """Send what is written to a stream from now on to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def flush() -> OSError | None:
    """Write what is left in stdout; return the error if nobody takes it, and discard the rest."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard(STDOUT)
        return error
    return None
