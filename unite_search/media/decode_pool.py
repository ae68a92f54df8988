"""A pool of decode workers that may hang, crash or run out of memory: each such file is skipped, the run goes on.

Each worker has a pipe and a few files ahead. Memory is bounded: a worker waits with a full pipe until the parent reads,
and the parent holds one message at a time. What a worker does is in `worker`.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from unite_search.errors import UniteSearchError
from unite_search.media.decode_worker import Finished, Hashed, serve
from unite_search.media.processes import start
from unite_search.media.segments import check
from unite_search.media.types import Draft, Facts, MediaFile, ReadOptions, Skipped

__all__ = ["Event", "Finished", "ReadPool", "Unwanted"]

FILES_AHEAD = 3
TICK_S = 0.5
START_GRACE_S = 20.0
LONGEST_STEP_S = 10.0
SLOWEST_DISK_BYTES_PER_S = 20e6
JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The caller did not want the file, now that its hash is known."""


Event = Facts | Draft | Finished | Unwanted | Skipped
Wants = Callable[[MediaFile, str], bool]


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the parent's end of its pipe, when it last said something, and its files in the order given."""

    process: BaseProcess
    connection: Connection
    silent_since: float
    files: deque[MediaFile] = field(default_factory=deque)
    has_spoken: bool = False


class _Clock:
    """Seconds that pass while this process runs: after a pause, workers must not seem to have been silent for hours."""

    def __init__(self) -> None:
        self._now = 0.0
        self._looked_at = time.monotonic()

    def now(self) -> float:
        looked_at = time.monotonic()
        self._now += min(looked_at - self._looked_at, LONGEST_STEP_S)
        self._looked_at = looked_at
        return self._now


class ReadPool:
    """Reads files in worker processes; a context manager, which kills them at its end.

    Processes are started when the first files come, by spawning: `options` must be picklable, and nothing in it may be
    defined in the main script, which workers do not import.
    """

    def __init__(self, options: ReadOptions, *, workers: int) -> None:
        """Prepare a pool of at most `workers` processes; none is started yet.

        Raises:
            ValueError: fewer than one worker, or segments of no length.
            ImportError: the options need a package that is not installed.
        """
        check(options.segments)
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        self._options = options
        self._limit = workers
        self._workers: list[_Worker] = []
        self._returned: deque[MediaFile] = deque()
        self._clock = _Clock()

    def __enter__(self) -> ReadPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._reap(self._workers[-1])

    def run(self, files: Iterator[MediaFile], wants: Wants) -> Iterator[tuple[MediaFile, Event]]:
        """Read files, several at a time; what one file gives comes in order, mixed with that of others.

        Args:
            files: drawn from as workers become free.
            wants: asked once for each file that can be hashed: file and hash.

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
            ready = set(wait([worker.connection for worker in busy], TICK_S))
            now = self._clock.now()
            for worker in busy:
                patience_s = self._patience_s(worker.files[0])
                if worker.connection in ready:
                    yield from self._receive(worker, wants)
                elif now - worker.silent_since > patience_s:
                    yield self._give_up(worker, f"timed out after {patience_s:.0f} s")

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
        _send(worker, file)

    def _receive(self, worker: _Worker, wants: Wants) -> Iterator[tuple[MediaFile, Event]]:
        """Take what a worker has sent at once, or the news of its death."""
        file = worker.files[0]
        try:
            messages = pickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            yield self._give_up(worker, f"the decoder crashed ({self._end_of(worker)})")
            return
        worker.silent_since = self._clock.now()
        worker.has_spoken = True
        for message in messages:
            if isinstance(message, Hashed):
                is_wanted = wants(file, message.content_hash)
                _send(worker, is_wanted)
                if not is_wanted:
                    worker.files.popleft()
                    yield file, Unwanted()
                continue
            if isinstance(message, (Finished, Skipped)):
                worker.files.popleft()
            yield file, message

    def _give_up(self, worker: _Worker, reason: str) -> tuple[MediaFile, Event]:
        """End a worker with the file it was at; its other files go back."""
        file = worker.files.popleft()
        self._returned.extend(worker.files)
        self._reap(worker)
        return file, Skipped(path=file.path, reason=reason)

    def _end_of(self, worker: _Worker) -> str:
        """How a worker ended; that one cannot even start is no fault of its file."""
        worker.process.join(JOIN_S)
        exitcode = worker.process.exitcode or 0
        how = f"signal {-exitcode}" if exitcode < 0 else f"exit code {exitcode}"
        if not worker.has_spoken:
            raise UniteSearchError(
                f"a decode worker ended before it read anything ({how}); what the encoder hands to workers must be "
                "importable and not defined in the main script"
            )
        return how

    def _reap(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.process.close()
        worker.connection.close()

    def _patience_s(self, file: MediaFile) -> float:
        """How long a worker may be silent over a file: large ones take time to read from a slow disk."""
        return self._options.timeout_s + file.size_bytes / SLOWEST_DISK_BYTES_PER_S

    def _started(self) -> _Worker:
        process, ours = start(serve, self._options, name="unite-search reader")
        return _Worker(process, ours, silent_since=self._clock.now() + START_GRACE_S)


def _send(worker: _Worker, message: MediaFile | bool) -> None:
    """Send to a worker; that it has died is found out when it is read from."""
    try:
        worker.connection.send(message)
    except OSError:
        return
