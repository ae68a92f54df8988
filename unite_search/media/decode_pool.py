"""A pool of decode processes that may hang, crash or run out of memory: each such file is skipped, the run goes on.

Each worker has a pipe and a few files ahead. Memory is bounded: a worker waits while its pipe is full until the parent
reads, and the parent holds one message at a time. `decode_worker` is what a worker does, `decode_process` what a
process is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from types import TracebackType

from unite_search.errors import UniteSearchError
from unite_search.media.decode_process import NOT_LOADED, DecodeProcess
from unite_search.media.decode_worker import Finished, Hashed, serve
from unite_search.media.read import check
from unite_search.media.types import Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped

__all__ = ["DecodePool", "Event", "Finished", "Unwanted"]

FILES_AHEAD = 3
TICK_S = 0.5
START_GRACE_S = 20.0
LONGEST_STEP_S = 10.0


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The caller does not want the file, now that its hash is known."""


Event = Facts | Draft | Finished | Unwanted | Skipped
IsWanted = Callable[[MediaFile, Hashes], bool]


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, when it last sent something, and its files in the order given."""

    process: DecodeProcess
    silent_since: float
    files: deque[MediaFile] = field(default_factory=deque)


class _RunningClock:
    """A clock that stops while this process does: after a pause, no worker must seem to have been silent for hours."""

    def __init__(self) -> None:
        self._now = 0.0
        self._looked_at = time.monotonic()

    def now(self) -> float:
        looked_at = time.monotonic()
        self._now += min(looked_at - self._looked_at, LONGEST_STEP_S)
        self._looked_at = looked_at
        return self._now


class DecodePool:
    """Reads a stream of files in worker processes; a context manager, which kills them at its end.

    Processes are started when the first files come, by spawning: `options` must be picklable, and nothing in it may be
    defined in the main script, which workers do not import.
    """

    def __init__(self, options: ReadOptions, *, workers: int) -> None:
        """Prepare a pool of at most `workers` processes; none is started yet.

        Raises:
            ValueError: `workers` is below one, or the length of a segment is not positive.
            ImportError: the options need a package that is not installed.
        """
        check(options.segments)
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        self._options = options
        self._limit = workers
        self._workers: list[_Worker] = []
        self._returned: deque[MediaFile] = deque()
        self._clock = _RunningClock()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._workers.pop().process.end()

    def run(self, files: Iterator[MediaFile], is_wanted: IsWanted) -> Iterator[tuple[MediaFile, Event]]:
        """Read files, several at a time; the events of one file come in order, mixed with those of others.

        Args:
            files: drawn from as workers become free.
            is_wanted: called once with each file that can be hashed, and its hashes.

        Yields:
            For a file that is wanted its facts, its drafts and `Finished`; otherwise `Unwanted`; `Skipped` ends a file
            that fails, at any point.

        Raises:
            UniteSearchError: workers cannot start.
        """
        while True:
            self._hand_out(files)
            busy = [worker for worker in self._workers if worker.files]
            if not busy:
                return
            ready = set(wait([worker.process.connection for worker in busy], TICK_S))
            now = self._clock.now()
            for worker in busy:
                limit_s = self._options.time_limit_s(worker.files[0].size_bytes)
                if worker.process.connection in ready:
                    yield from self._receive(worker, is_wanted)
                elif now - worker.silent_since > limit_s:
                    yield self._give_up(worker, f"timed out after {limit_s:.0f} s")

    def _hand_out(self, files: Iterator[MediaFile]) -> None:
        """Give every worker its files, one more to each in turn; start workers while there are fewer than allowed."""
        for depth in range(1, FILES_AHEAD + 1):
            for number in range(self._limit):
                if number < len(self._workers) and len(self._workers[number].files) >= depth:
                    continue
                file = self._returned.popleft() if self._returned else next(files, None)
                if file is None:
                    return
                if number == len(self._workers):
                    self._workers.append(self._started())
                self._assign(self._workers[number], file)

    def _assign(self, worker: _Worker, file: MediaFile) -> None:
        if not worker.files:
            worker.silent_since = max(worker.silent_since, self._clock.now())
        worker.files.append(file)
        worker.process.send(file)

    def _receive(self, worker: _Worker, is_wanted: IsWanted) -> Iterator[tuple[MediaFile, Event]]:
        """Take one group of messages from a worker, or learn that it has died."""
        file = worker.files[0]
        try:
            messages = worker.process.receive()
        except (EOFError, OSError):
            yield self._give_up(worker, f"the decoder crashed ({self._exit_status(worker)})")
            return
        worker.silent_since = self._clock.now()
        for message in messages:
            if isinstance(message, Hashed):
                answer = is_wanted(file, message.hashes)
                worker.process.send(answer)
                if not answer:
                    worker.files.popleft()
                    yield file, Unwanted()
                continue
            if isinstance(message, (Finished, Skipped)):
                worker.files.popleft()
            yield file, message

    def _give_up(self, worker: _Worker, reason: str) -> tuple[MediaFile, Event]:
        """End a worker and skip the file it was reading; its other files go back."""
        file = worker.files.popleft()
        self._returned.extend(worker.files)
        self._workers.remove(worker)
        worker.process.end()
        return file, Skipped(path=file.path, reason=reason)

    def _exit_status(self, worker: _Worker) -> str:
        """Say how a worker ended; one that could not even start ends the run, for its file is not to blame."""
        status = worker.process.exit_status()
        if not worker.process.is_ready:
            raise UniteSearchError(f"a decode worker ended before it read anything ({status}); {NOT_LOADED}")
        return status

    def _started(self) -> _Worker:
        process = DecodeProcess(serve, self._options, name="unite-search decode")
        return _Worker(process, silent_since=self._clock.now() + START_GRACE_S)
