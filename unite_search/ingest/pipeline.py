"""The indexing pipeline: scan, decode in workers, encode in batches, commit. Only what is in flight is in memory.

A file is committed whole: all its items in one commit, or none. `ledger` decides what must be read; this module moves
data from stage to stage. The vector indexes are updated afterwards, by `storage.store`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from unite_search.encoders.base import Encoder, encode
from unite_search.errors import UnreadableFileError
from unite_search.ingest.encode_queue import Batch, EncodeQueue
from unite_search.ingest.ledger import Ledger
from unite_search.ingest.progress import Meter
from unite_search.media.confinement import described
from unite_search.media.decode_pool import DecodePool, Event, Unwanted
from unite_search.media.scan import Found, scan
from unite_search.media.sidecars import hash_file
from unite_search.media.types import (
    Cut,
    Draft,
    Facts,
    Hashes,
    MediaFile,
    ReadOptions,
    Skipped,
    VacantFolder,
    check_readable,
)
from unite_search.report import IndexOptions, IndexReport
from unite_search.storage.catalog import Catalog
from unite_search.storage.metadata import IdCounter
from unite_search.storage.rows import EmbeddedItem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILES_AHEAD = 100_000
"""How many files the scan may be ahead, so that the total is known early; about 50 MB."""
BATCHES_WAITING = 1
"""Batches that wait while the encoder is busy."""
COMMIT_ITEMS = 4096
"""Commit when so many items are pending."""
COMMIT_EVERY_S = 1.0, 10.0
"""Minimum and maximum seconds between two commits; in between, `COMMIT_SHARE` of the run so far."""
COMMIT_SHARE = 1 / 60
HELD_DRAFTS = 32
"""A file with so many passages or clips in the queue is not read further while pictures of others are encoded."""
LOOK_EVERY_S = 0.2
"""How often a thread that waits looks at what else there is: whether a consumer has stopped, or a commit is due."""
NOT_DECODED = "a dry run decodes nothing: what it counts as added or changed may turn out to be damaged, and be skipped"

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _OpenFile:
    """A file between its first event and its commit. Its embedded items hold no pixels."""

    file: MediaFile
    facts: Facts
    items: list[EmbeddedItem] = field(default_factory=list)
    waiting: int = 0
    hashes: Hashes | None = None

    @property
    def is_complete(self) -> bool:
        return self.hashes is not None and not self.waiting


_Encoding = tuple[Batch[_OpenFile], "Future[NDArray[np.float32]]"]
"""Drafts that are being encoded, and their vectors to be."""


class Ingest:
    """One run of `index` over some roots."""

    def __init__(
        self,
        catalog: Catalog,
        ids: IdCounter,
        encoder: Encoder,
        options: ReadOptions,
        meter: Meter,
    ) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._options = options
        self._meter = meter
        self.report = IndexReport()
        self._ledger = Ledger(catalog, ids, self.report, options)
        self._open: dict[Path, _OpenFile] = {}
        self._waiting: EncodeQueue[_OpenFile] = EncodeQueue()
        self._encoding: deque[_Encoding] = deque()
        self._started_at = self._committed_at = time.monotonic()

    def keep(self, roots: Sequence[Path]) -> None:
        """Keep what was indexed below roots that are missing now; call it before `run` or `dry_run`."""
        for root in roots:
            self._ledger.keep_root(root)

    def run(self, roots: Sequence[Path], options: IndexOptions, *, exclude: Sequence[Path]) -> IndexReport:
        """Index the roots.

        On an interrupt, complete files are committed before the exception is raised again.
        """
        found_files = scan(roots, exclude=exclude, follow_links=bool(options.follow_links))
        with (
            Prefetch(self._counted(found_files), limit=FILES_AHEAD) as found,
            _encoding_threads(self._encoder.concurrency) as executor,
            DecodePool(self._options, workers=options.workers or os.cpu_count() or 1) as pool,
        ):
            attend = partial(self._attend, pool, executor, options.batch_size)
            try:
                for file, event in pool.run(self._to_read(found), self._ledger.must_read, self._is_held, attend):
                    self._handle(file, event)
                    attend()
                while (rest := self._waiting.next_batch(options.batch_size, is_idle=True, has_rivals=False)).drafts:
                    if self._encodes_fresh() and not rest.is_fresh:
                        self._collect(leave=0)
                    self._advance(executor, rest)
                self._collect(leave=0)
                self.report.decoding = described(pool.refusals) if pool.refusals is not None else None
                self._ledger.drop_missing(roots, prune=options.prune)
            finally:
                self._commit()
        return self.report

    def _attend(self, pool: DecodePool, executor: ThreadPoolExecutor, batch_size: int) -> None:
        """Give the encoder what is due; called with every event, and while there is none."""
        reads_pictures = pool.reads_fresh_pictures
        batch = self._waiting.next_batch(
            batch_size,
            is_idle=not self._encoding,
            are_last=not reads_pictures,
            has_rivals=reads_pictures or self._encodes_fresh(),
        )
        self._advance(executor, batch)

    def dry_run(self, roots: Sequence[Path], options: IndexOptions, *, exclude: Sequence[Path]) -> IndexReport:
        """Report what a run would do; nothing is decoded or written.

        Names, sizes and times tell most. Only files that may be renamed, or touched and not changed, are hashed.
        """
        self.report.dry_run = True
        found = scan(roots, exclude=exclude, follow_links=bool(options.follow_links))
        sizes = self._ledger.known_sizes()
        uncertain = []
        for file in self._to_read(self._counted(found)):
            if file.size_bytes in sizes:
                uncertain.append(file)
            else:
                self._foresee(file, is_hashed=False)
        to_hash = self._ledger.may_be_settled(uncertain)
        for file in uncertain:
            self._foresee(file, is_hashed=file.path in to_hash)
        self._ledger.drop_missing(roots, prune=options.prune)
        if self.report.added or self.report.changed:
            self.report.warnings.append(NOT_DECODED)
        return self.report

    def _foresee(self, file: MediaFile, *, is_hashed: bool) -> None:
        """Count what a run would make of a file, which is hashed if a known file may have its bytes."""
        try:
            check_readable(file)
            self._ledger.foresee(file, hash_file(file) if is_hashed else None)
        except UnreadableFileError as error:
            self._ledger.skip(Skipped(path=file.path, reason=str(error)))
        self._meter.finished()
        self._show()

    def _counted(self, found: Iterator[Found]) -> Iterator[Found]:
        for one in found:
            if not isinstance(one, VacantFolder):
                self._meter.found()
            yield one
        self._meter.scan_finished()

    def _to_read(self, found: Iterator[Found]) -> Iterator[MediaFile]:
        for one in found:
            if isinstance(one, VacantFolder):
                self._ledger.keep_vacant(one)
                continue
            if isinstance(one, Skipped):
                self._ledger.skip(one)
            elif self._ledger.found(one) and not self._ledger.is_unchanged(one):
                yield one
                continue
            self._meter.finished()

    def _handle(self, file: MediaFile, event: Event) -> None:
        if isinstance(event, Unwanted):
            self._meter.finished()
        elif isinstance(event, Skipped):
            self._open.pop(file.path, None)
            self._ledger.skip(event)
            self._meter.finished()
        elif isinstance(event, Facts):
            self._open[file.path] = _OpenFile(file, event)
        elif isinstance(event, Draft):
            entry = self._open[file.path]
            self._waiting.put(entry, event, is_first=not (entry.waiting or entry.items))
            entry.waiting += 1
        elif isinstance(event, Cut):
            self.report.cut.append(event)
            self.report.warnings.append(f"{event.path} was indexed in part: {event.reason}")
        else:
            self._finish(self._open[file.path], event.hashes)

    def _finish(self, entry: _OpenFile, hashes: Hashes) -> None:
        entry.hashes = hashes
        if entry.is_complete:
            self._record(entry)

    def _is_held(self, file: MediaFile) -> bool:
        """Return whether to read no further in a file now: many of its drafts wait, and pictures are encoded."""
        entry = self._open.get(file.path)
        if entry is None or entry.waiting < HELD_DRAFTS:
            return False
        return any(batch.is_fresh and not future.done() for batch, future in self._encoding)

    def _encodes_fresh(self) -> bool:
        return any(batch.is_fresh for batch, _ in self._encoding)

    def _advance(self, executor: ThreadPoolExecutor, batch: Batch[_OpenFile]) -> None:
        """Give a batch, which may be empty, to the encoder; take what it has finished; commit what is due."""
        self._encode(executor, batch)
        self._collect(leave=self._encoder.concurrency + BATCHES_WAITING)
        self._commit_when_due()
        self._show()

    def _encode(self, executor: ThreadPoolExecutor, batch: Batch[_OpenFile]) -> None:
        drafts = [(entry, draft) for entry, draft in batch.drafts if self._is_open(entry)]
        if drafts:
            contents = [draft.content for _, draft in drafts]
            vectors = executor.submit(encode, self._encoder, contents, role="candidate")
            self._encoding.append((replace(batch, drafts=drafts), vectors))

    def _collect(self, *, leave: int) -> None:
        """Take finished batches, in order; wait while more than `leave` are being encoded."""
        while self._encoding and (len(self._encoding) > leave or self._encoding[0][1].done()):
            batch, future = self._encoding.popleft()
            self.report.embedded += len(batch.drafts)
            for (entry, draft), embedding in zip(batch.drafts, self._awaited(future), strict=True):
                entry.items.append(EmbeddedItem.of(draft, embedding))
                entry.waiting -= 1
                if entry.is_complete and self._is_open(entry):
                    self._record(entry)

    def _awaited(self, future: Future[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Wait for vectors; meanwhile, commit what is due."""
        while not future.done():
            wait([future], LOOK_EVERY_S)
            self._commit_when_due()
        return future.result()

    def _is_open(self, entry: _OpenFile) -> bool:
        """Return whether the file is still being read; a worker may have failed after its first drafts."""
        return self._open.get(entry.file.path) is entry

    def _record(self, entry: _OpenFile) -> None:
        """Add a complete file to the next commit."""
        del self._open[entry.file.path]
        if entry.items and entry.hashes is not None:
            self._ledger.add(entry.file, entry.hashes, entry.facts, entry.items)
        else:
            self._ledger.skip(Skipped(path=entry.file.path, reason="nothing to index in it"))
        self._meter.finished()

    def _commit_when_due(self) -> None:
        now = time.monotonic()
        least_s, most_s = COMMIT_EVERY_S
        patience_s = min(max(least_s, COMMIT_SHARE * (now - self._started_at)), most_s)
        pending = self._ledger.pending
        if pending >= COMMIT_ITEMS or (pending and now - self._committed_at > patience_s):
            self._commit()

    def _commit(self) -> None:
        self._ledger.commit()
        self._committed_at = time.monotonic()

    def _show(self) -> None:
        report = self.report
        self._meter.show(items=report.items, embedded=report.embedded, skipped=len(report.skipped))


@contextmanager
def _encoding_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Provide threads for the encoder; after an error or an interrupt, batches that have not begun are dropped."""
    executor = ThreadPoolExecutor(count, "encode")
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


class Prefetch(Generic[T]):
    """Runs an iterator in a thread, ahead of its consumer, with a bounded queue.

    A context manager that returns the prefetched iterator and stops the thread at its end.

    An exception of the source is raised in the consumer, after the items before it.
    """

    def __init__(self, source: Iterator[T], *, limit: int) -> None:
        self._source = source
        self._waiting: queue.Queue[T | _End] = queue.Queue(limit)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        self._thread.join()

    def _taken(self) -> Iterator[T]:
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

    def _put(self, item: T | _End) -> bool:
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
