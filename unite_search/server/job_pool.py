"""Media read for clients in processes of their own: a file that hangs, crashes or fills memory costs one worker.

The pool of `media.workers` streams many files; this one answers single calls of any function, each within a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Empty, LifoQueue
from typing import Any, TypeVar

from unite_search.errors import UnreadableFileError
from unite_search.media.processes import settle, start
from unite_search.media.reasons import short
from unite_search.server.problems import Refusal

T = TypeVar("T")
START_S = 60.0
QUEUE_S = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


class Workers:
    """At most `count` processes, started when first needed."""

    def __init__(self, count: int, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._free.put(None)
        self._count = count

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function of a module in a worker.

        Raises:
            UnreadableFileError: it said so, took too long, or crashed.
            Refusal: all workers were busy for a long time.
        """
        try:
            worker = self._free.get(timeout=QUEUE_S)
        except Empty:
            raise Refusal(503, "too many files are waiting to be read; try again", {"Retry-After": "5"}) from None
        kept = None
        try:
            if worker is None or not worker.process.is_alive():
                worker = _started()
            is_good, result = self._ask(worker, function, arguments)
            kept = worker
        finally:
            if kept is None and worker is not None:
                worker.end()
            self._free.put(kept)
        if is_good:
            answer: T = result
            return answer
        raise UnreadableFileError(result)

    def close(self) -> None:
        """End every worker, once it is free."""
        for _ in range(self._count):
            worker = self._free.get()
            if worker is not None:
                worker.end()

    def _ask(self, worker: _Worker, function: Callable[..., object], arguments: tuple[object, ...]) -> tuple[bool, Any]:
        try:
            worker.connection.send((function, arguments))
            if not worker.connection.poll(self._timeout_s):
                raise UnreadableFileError(f"it took longer than {self._timeout_s:.0f} s to read")
            is_good, result = worker.connection.recv()
        except (EOFError, OSError) as error:
            raise UnreadableFileError("it crashed the decoder") from error
        return is_good, result


def _started() -> _Worker:
    worker = _Worker(*start(_serve, name="unite-search media"))
    with suppress(EOFError, OSError):
        if worker.connection.poll(START_S):
            worker.connection.recv()
            return worker
    worker.end()
    raise Refusal(503, "no process to read files with could be started; try again", {"Retry-After": "5"})


def _serve(connection: Connection) -> None:
    settle()
    connection.send(None)
    with suppress(EOFError, OSError):
        while True:
            function, arguments = connection.recv()
            connection.send(_outcome(function, arguments))


def _outcome(function: Callable[..., object], arguments: tuple[object, ...]) -> tuple[bool, object]:
    try:
        return True, function(*arguments)
    except MemoryError:
        return False, "it needs too much memory"
    except UnreadableFileError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        return False, f"{type(error).__name__}: {short(str(error))}"
