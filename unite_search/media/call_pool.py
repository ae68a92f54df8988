"""Single calls of any function in decode processes: a file that hangs, crashes or fills memory costs one process.

`decode_pool` streams many files; this pool reads the clip of a query, and what clients of the server ask for.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Any, TypeVar

from unite_search.errors import DecodeProcessError, UniteSearchError, UnreadableFileError
from unite_search.media.decode_process import NOT_LOADED, DecodeProcess
from unite_search.media.messages import read_outcome, return_type, written_outcome
from unite_search.media.reasons import failure_reason, short
from unite_search.media.wire import MalformedMessageError, send

T = TypeVar("T")
START_S = 60.0
QUEUE_S = 20.0


class CallPool:
    """At most `limit` processes, each started when first needed; a context manager, which ends them.

    Calls may come from any thread. Functions and arguments must be picklable. A result is not pickled: a function must
    be annotated to return `None`, `bool`, `int`, `float`, `str`, `bytes`, `Image`, `Clip` or a NamedTuple of these, and
    an answer of another type counts as a crash.
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
        expected = return_type(function)
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
            process.send((function, arguments))
            error, result = self._answer(process, expected)
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

    def _answer(self, process: DecodeProcess, expected: type[Any]) -> tuple[UniteSearchError | None, Any]:
        """Wait for the outcome of a call."""
        try:
            answer = _received(process, self._timeout_s)
            if answer is not None:
                return read_outcome(answer, expected)
        except MalformedMessageError as error:
            raise UnreadableFileError(f"the decoder crashed (it sent {error})") from error
        except (EOFError, OSError) as lost:
            raise UnreadableFileError(f"the decoder crashed ({process.exit_status()})") from lost
        raise UnreadableFileError(f"it took longer than {self._timeout_s:.0f} s to read")


def _received(process: DecodeProcess, timeout_s: float) -> Any:
    """Return the next message of a process, or None if it is not complete in time."""
    give_up = time.monotonic() + timeout_s
    while (left_s := give_up - time.monotonic()) > 0 and process.poll(left_s):
        if (message := process.receive()) is not None:
            return message
    return None


def _started() -> DecodeProcess:
    process = DecodeProcess(_serve, name="unite-search call")
    give_up = time.monotonic() + START_S
    try:
        while process.poll(give_up - time.monotonic()):
            process.receive()
            if process.is_ready:
                return process
    except (MalformedMessageError, EOFError, OSError):
        pass
    process.end()
    raise DecodeProcessError("no process to read files with could be started; try again")


def _serve(connection: Connection) -> None:
    """Answer calls until the parent closes the pipe."""
    while True:
        send(connection, _outcome(connection.recv_bytes()))


def _outcome(request: bytes) -> list[Any]:
    """Return the result of a call, or its error, as it is sent."""
    try:
        function, arguments = pickle.loads(request)
    except Exception as error:  # noqa: BLE001 - code of the caller runs here; whatever it raises is reported
        return written_outcome(UniteSearchError(f"{type(error).__name__}: {short(str(error))}; {NOT_LOADED}"))
    try:
        return written_outcome(function(*arguments))
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        return written_outcome(UnreadableFileError(failure_reason(error)))
