"""A lock for state that many threads read and one now and then changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class SharedLock:
    """Any number of readers, or one thread that changes; who wants to change goes before new readers.

    Not reentrant: a reader that becomes a changer, or reads again while another waits to change, waits for itself.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._readers = 0
        self._is_changing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the state as it is."""
        with self._condition:
            self._condition.wait_for(lambda: not self._is_changing)
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                self._condition.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the state alone, once its present readers have left."""
        with self._condition:
            self._condition.wait_for(lambda: not self._is_changing)
            self._is_changing = True
            self._condition.wait_for(lambda: not self._readers)
        try:
            yield
        finally:
            with self._condition:
                self._is_changing = False
                self._condition.notify_all()
