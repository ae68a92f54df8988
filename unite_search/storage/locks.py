"""The locks of a collection: one between threads that read and refresh, one between processes that write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from unite_search.errors import CollectionLockedError


class ReaderWriterLock:
    """A lock between threads: any number of readers, or one writer; a waiting writer goes before new readers.

    It is not reentrant: a reader that asks for the write side, or reads again while a writer waits, waits for itself.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._readers = 0
        self._is_writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the read side."""
        with self._condition:
            self._condition.wait_for(lambda: not self._is_writing)
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write side, once the present readers have left."""
        with self._condition:
            self._condition.wait_for(lambda: not self._is_writing)
            self._is_writing = True
            self._condition.wait_for(lambda: not self._readers)
        try:
            yield
        finally:
            with self._condition:
                self._is_writing = False
                self._condition.notify_all()


@contextmanager
def write_lock(directory: Path, *, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the collection's write lock, which the operating system releases when the process dies.

    Args:
        directory: the collection's folder.
        timeout_s: how long to wait for a process that holds it.

    Raises:
        CollectionLockedError: another process holds it; the message names its process id.
    """
    from filelock import FileLock, Timeout

    owner = directory / "write.pid"
    lock = FileLock(directory / "write.lock", timeout=timeout_s)
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
