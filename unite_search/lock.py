"""One writer at a time. The operating system drops the lock of a dead process, so it cannot go stale."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unite_search.errors import CollectionLockedError


@contextmanager
def write_lock(directory: Path) -> Iterator[None]:
    """Hold the collection's write lock.

    Raises:
        CollectionLockedError: another process holds it; the message names its pid.
    """
    from filelock import FileLock, Timeout

    owner = directory / "write.pid"
    lock = FileLock(directory / "write.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CollectionLockedError(f"{directory} is being written by process {_pid(owner)}; try again later") from None
    try:
        owner.write_text(str(os.getpid()), encoding="ascii")
        yield
        owner.unlink(missing_ok=True)
    finally:
        lock.release()


def _pid(owner: Path) -> str:
    try:
        return owner.read_text(encoding="ascii") or "unknown"
    except OSError:
        return "unknown"
