"""Prefetching: run an iterator in a thread, ahead of its consumer, with a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

LOOK_EVERY_S = 0.2


class Prefetch(Generic[Item]):
    """A context manager that returns the prefetched iterator and stops the thread at its end.

    An exception of the source is raised in the consumer, after the items before it.
    """

    def __init__(self, source: Iterator[Item], *, limit: int) -> None:
        self._source = source
        self._waiting: queue.Queue[Item | _End] = queue.Queue(limit)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        self._thread.join()

    def _taken(self) -> Iterator[Item]:
        while not isinstance(item := self._waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def _run(self) -> None:
        error: Exception | None = None
        try:
            for item in self._source:
                if not self._put(item):
                    return
        except Exception as caught:  # noqa: BLE001 - it is raised again in the consumer's thread
            error = caught
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        """Wait for space in the queue; return False once the consumer has stopped."""
        while not self._is_stopped.is_set():
            try:
                self._waiting.put(item, timeout=LOOK_EVERY_S)
            except queue.Full:
                continue
            return True
        return False


class _End:
    """Marks the end of the items, with the exception of the source, if any."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
