"""Single calls of any function in decode processes: a file that hangs, crashes or fills memory costs one process.

`decode_pool` streams many files; this pool reads the clip of a query, and what clients of the server ask for.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Any, TypeVar

from unite_search.errors import DecodeProcessError, UniteSearchError, UnreadableFileError
from unite_search.media.decode_process import NOT_LOADED, DecodeProcess, reply
from unite_search.media.reasons import failure_reason, short

T = TypeVar("T")
START_S = 60.0
QUEUE_S = 20.0


class CallPool:
    """At most `limit` processes, each started when first needed; a context manager, which ends them.

    Calls may come from any thread. Functions, arguments and results must be picklable.
    """

    def __init__(self, limit: int, *, timeout_s: float) -> None:
        """Prepare a pool whose calls may take `timeout_s` each; no process is started yet."""
        self._timeout_s = timeout_s
        self._limit = limit
        self._free: LifoQueue[DecodeProcess | None] = LifoQueue()
        for _ in range(limit):
            self._free.put(None)

    def __enter__(self) -> CallPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function of a module in a process.

        Raises:
            UnreadableFileError: the function raised an error, took too long, or crashed.
            DecodeProcessError: all processes were busy for a long time, or none could be started.
            UniteSearchError: the process cannot load the function or its arguments.
        """
        try:
            process = self._free.get(timeout=QUEUE_S)
        except Empty:
            raise DecodeProcessError("too many files are waiting to be read; try again") from None
        kept = None
        try:
            if process is not None and not process.is_alive:
                process.end()
                process = None
            process = process or _started()
            error, result = self._ask(process, function, arguments)
            kept = process
        finally:
            if kept is None and process is not None:
                process.end()
            self._free.put(kept)
        if error is not None:
            raise error
        answer: T = result
        return answer

    def close(self) -> None:
        """End every process, once it is free."""
        for _ in range(self._limit):
            process = self._free.get()
            if process is not None:
                process.end()

    def _ask(
        self, process: DecodeProcess, function: Callable[..., object], arguments: tuple[object, ...]
    ) -> tuple[UniteSearchError | None, Any]:
        process.send((function, arguments))
        try:
            if process.poll(self._timeout_s):
                error, result = process.receive()
                return error, result
        except (EOFError, OSError) as lost:
            raise UnreadableFileError(f"the decoder crashed ({process.exit_status()})") from lost
        raise UnreadableFileError(f"it took longer than {self._timeout_s:.0f} s to read")


def _started() -> DecodeProcess:
    process = DecodeProcess(_serve, name="unite-search call")
    try:
        if process.poll(START_S):
            process.receive()
            return process
    except (EOFError, OSError):
        pass
    process.end()
    raise DecodeProcessError("no process to read files with could be started; try again")


def _serve(connection: Connection) -> None:
    """Answer calls until the parent closes the pipe."""
    while True:
        reply(connection, _outcome(connection.recv_bytes()))


def _outcome(request: bytes) -> tuple[UniteSearchError | None, object]:
    """Return the error of a call, or None, and its result."""
    try:
        function, arguments = pickle.loads(request)
    except Exception as error:  # noqa: BLE001 - code of the caller runs here; whatever it raises is reported
        return UniteSearchError(f"{type(error).__name__}: {short(str(error))}; {NOT_LOADED}"), None
    try:
        return None, function(*arguments)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        return UnreadableFileError(failure_reason(error)), None
