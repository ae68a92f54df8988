"""A pool of decode processes that may hang, crash or run out of memory: each such file is skipped, the run goes on.

Each worker has a pipe and a few files ahead, none of them behind a file that may take long. A slow file gets a process
of its own beside the others, and is cut when it exceeds its budget (`reading`). Memory is bounded: a worker waits while
its pipe is full until the parent reads, and the parent holds one message at a time.
`decode_worker` is what a worker does, `decode_process` what a process is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import TracebackType

from unite_search.errors import UniteSearchError
from unite_search.media.decode_process import NOT_LOADED, DecodeProcess
from unite_search.media.decode_worker import serve
from unite_search.media.messages import Completed, Hashed
from unite_search.media.read import check
from unite_search.media.reading import Reading
from unite_search.media.types import Cut, Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped
from unite_search.media.wire import MalformedMessageError

__all__ = ["DecodePool", "Event", "Finished", "Unwanted"]

FILES_AHEAD = 3
TICK_S = 0.1
"""How long to wait for a message before looking at what else there is to do."""
START_GRACE_S = 20.0
SLOW_S = 20.0
MOST_POSTPONED = 256
"""How many long texts may wait for the files after them."""
SHORT_TEXT_BYTES = 64 << 10
"""A text of this size has about 60 passages, and takes no longer than a photo to read."""
LONGEST_STEP_S = 10.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The file was read to its end, or to where it was cut."""

    hashes: Hashes


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The caller does not want the file, now that its hash is known."""


Event = Facts | Draft | Cut | Finished | Unwanted | Skipped
IsWanted = Callable[[MediaFile, Hashes], bool]
IsHeld = Callable[[MediaFile], bool]


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


class _Worker:
    """A process, when it last sent something, and its files in the order given.

    Attributes:
        process: the process.
        files: the file that it reads, and those that wait behind it.
        reading: what it has sent about the first of them; None without files.
        silent_since: when it last sent something, or was given a file.
    """

    def __init__(self, options: ReadOptions, clock: _RunningClock) -> None:
        self.process = DecodeProcess(serve, options, name="unite-search decode")
        self.files: deque[MediaFile] = deque()
        self.reading: Reading | None = None
        self.silent_since = clock.now() + START_GRACE_S
        self._options = options
        self._clock = clock

    @property
    def is_slow(self) -> bool:
        """Whether it has had its file for so long that other files should not wait for it."""
        return self.reading is not None and self.reading.since_s + SLOW_S < self._clock.now()

    @property
    def reads_fresh_picture(self) -> bool:
        """Whether it reads, or will next, a file that is no text and has sent no picture yet."""
        is_fresh = self.reading is not None and not self.reading.drafts
        return any(file.modality != "text" for file in (self.files if is_fresh else list(self.files)[1:]))

    def takes_file(self, depth: int) -> bool:
        """Whether it may be given the file that is number `depth` in its queue."""
        return len(self.files) < depth and not (self.files and _may_take_long(self.files[-1]))

    def assign(self, file: MediaFile) -> None:
        self.files.append(file)
        self.process.send(file)
        if self.reading is None:
            self.silent_since = max(self.silent_since, self._clock.now())
            self._begin()

    def finish(self) -> None:
        """Go on to the next file."""
        self.files.popleft()
        self._begin()

    def _begin(self) -> None:
        self.reading = None
        if self.files:
            sent = self.process.received_bytes
            self.reading = Reading(self.files[0], self._options, since_s=self._clock.now(), sent_bytes=sent)


def _may_take_long(file: MediaFile) -> bool:
    return file.may_move or _is_long_text(file)


def _is_long_text(file: MediaFile) -> bool:
    return file.modality == "text" and file.size_bytes > SHORT_TEXT_BYTES


class DecodePool:
    """Reads a stream of files in worker processes; a context manager, which kills them at its end.

    Processes are started when the first files come, by spawning: `options` must be picklable, and nothing in it may be
    defined in the main script, which workers do not import.

    Attributes:
        refusals: what the system refuses to the processes, see `confinement`; None until one has started.
    """

    def __init__(self, options: ReadOptions, *, workers: int) -> None:
        """Prepare a pool of at most `workers` processes, and as many for slow files; none is started yet.

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
        self._postponed: deque[MediaFile] = deque()
        self._clock = _RunningClock()
        self.refusals: tuple[str, ...] | None = None

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._workers.pop().process.end()

    @property
    def reads_fresh_pictures(self) -> bool:
        """Whether a file that is no text, and of which no picture has come, is being read or will be next."""
        return any(worker.reads_fresh_picture for worker in self._workers)

    def run(
        self,
        files: Iterator[MediaFile],
        is_wanted: IsWanted,
        is_held: IsHeld | None = None,
        attend: Callable[[], None] | None = None,
    ) -> Iterator[tuple[MediaFile, Event]]:
        """Read files, several at a time; the events of one file come in order, mixed with those of others.

        Args:
            files: drawn from as workers become free.
            is_wanted: called once with each file that can be hashed, and its hashes.
            is_held: whether nothing more of a file is to be read for the moment; asked often.
            attend: called several times a second while no event comes.

        Yields:
            For a file that is wanted its facts, its drafts and `Finished`, with `Cut` before it if something was left
            out; otherwise `Unwanted`; `Skipped` ends a file that fails, at any point.

        Raises:
            UniteSearchError: workers cannot start.
        """
        before = self._clock.now()
        while True:
            self._hand_out(files)
            busy = [worker for worker in self._workers if worker.reading is not None]
            if not busy:
                return
            listened = self._listened(busy, is_held)
            ready = set(wait([worker.process.connection for worker in listened], TICK_S))
            if attend and not ready:
                attend()
            now = self._clock.now()
            for worker in listened:
                if worker.process.connection in ready:
                    yield from self._receive(worker, is_wanted)
                elif worker.reading is not None:
                    worker.reading.work(now - before)
                yield from self._enforced(worker, now)
            before = now

    def _listened(self, busy: list[_Worker], is_held: IsHeld | None) -> list[_Worker]:
        """Return the workers whose files are not held."""
        held = [worker for worker in busy if is_held and is_held(worker.files[0])]
        for worker in held:
            worker.silent_since = self._clock.now()
        return [worker for worker in busy if worker not in held]

    def _hand_out(self, files: Iterator[MediaFile]) -> None:
        """Give every worker its files, one more to each in turn; start workers while there are fewer than allowed.

        A worker with a slow file does not count, as long as there are no more of these than workers allowed.
        """
        slow = [worker for worker in self._workers if worker.is_slow]
        quick = [worker for worker in self._workers if not worker.is_slow]
        allowed = self._limit - max(0, len(slow) - self._limit)
        for surplus in [worker for worker in quick[allowed:] if worker.reading is None]:
            self._end(surplus)
        for depth in range(1, FILES_AHEAD + 1):
            for number in range(allowed):
                if number < len(quick) and not quick[number].takes_file(depth):
                    continue
                file = self._next(files)
                if file is None:
                    return
                if number == len(quick):
                    quick.append(_Worker(self._options, self._clock))
                    self._workers.append(quick[-1])
                quick[number].assign(file)

    def _next(self, files: Iterator[MediaFile]) -> MediaFile | None:
        """Draw the next file; long texts, which keep a worker from pictures, come after the files behind them."""
        if self._returned:
            return self._returned.popleft()
        while len(self._postponed) < MOST_POSTPONED and (file := next(files, None)):
            if not _is_long_text(file):
                return file
            self._postponed.append(file)
        return self._postponed.popleft() if self._postponed else None

    def _receive(self, worker: _Worker, is_wanted: IsWanted) -> Iterator[tuple[MediaFile, Event]]:
        """Take one group of messages from a worker, or learn that it has died or sends nonsense."""
        if (reading := worker.reading) is None:
            return
        received_bytes = worker.process.received_bytes
        try:
            group = worker.process.receive()
            messages = [] if group is None else reading.read(group)
            self.refusals = worker.process.refusals if worker.process.is_ready else self.refusals
        except MalformedMessageError as error:
            yield self._give_up(worker, f"the decoder crashed (it sent {error})")
            return
        except (EOFError, OSError):
            yield self._give_up(worker, f"the decoder crashed ({self._exit_status(worker)})")
            return
        if worker.process.received_bytes > received_bytes:
            worker.silent_since = self._clock.now()
        for message in messages:
            if isinstance(message, Hashed):
                answer = is_wanted(reading.file, message.hashes)
                worker.process.send(answer)
                if not answer:
                    worker.finish()
                    yield reading.file, Unwanted()
                continue
            if isinstance(message, (Completed, Skipped)):
                worker.finish()
            yield reading.file, Finished(reading.hashes) if isinstance(message, Completed) else message

    def _enforced(self, worker: _Worker, now: float) -> Iterator[tuple[MediaFile, Event]]:
        """End a worker that is silent for too long or exceeds the budget of its file; what it has sent is kept."""
        if (reading := worker.reading) is None:
            return
        limit_s = self._options.time_limit_s(reading.file.size_bytes)
        excess = reading.excess(worker.process.received_bytes)
        if now - worker.silent_since > limit_s:
            yield self._give_up(worker, f"timed out after {limit_s:.0f} s")
        elif excess is not None:
            file, skipped = self._give_up(worker, excess)
            if reading.drafts:
                yield file, Cut(path=file.path, reason=excess)
                yield file, Finished(reading.hashes)
            else:
                yield file, skipped

    def _give_up(self, worker: _Worker, reason: str) -> tuple[MediaFile, Event]:
        """End a worker and skip the file it was reading; its other files go back."""
        file = worker.files.popleft()
        self._returned.extend(worker.files)
        self._end(worker)
        return file, Skipped(path=file.path, reason=reason)

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.reading = None
        worker.process.end()

    def _exit_status(self, worker: _Worker) -> str:
        """Say how a worker ended; one that could not even start ends the run, for its file is not to blame."""
        status = worker.process.exit_status()
        if not worker.process.is_ready:
            raise UniteSearchError(f"a decode worker ended before it read anything ({status}); {NOT_LOADED}")
        return status
