"""One run of `index`: check what is given, take the lock, remember the options, embed what has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unite_search.encoders.base import Encoder
from unite_search.errors import UniteSearchError
from unite_search.ingest.pipeline import Ingest
from unite_search.ingest.progress import Meter, progress_file
from unite_search.media.read import check
from unite_search.media.reasons import UNKNOWN_TYPE
from unite_search.media.types import ReadOptions
from unite_search.media.uri import absolute, is_gone
from unite_search.query import PathArgument
from unite_search.report import IndexOptions, IndexReport, ProgressCallback
from unite_search.storage.metadata import IdCounter
from unite_search.storage.store import Store


@dataclass(frozen=True, slots=True)
class Indexing:
    """Indexes into one store; the encoder is loaded when the arguments have been checked."""

    store: Store
    load_encoder: Callable[[], Encoder]

    def run(
        self, paths: Sequence[PathArgument], options: IndexOptions, progress: ProgressCallback | None
    ) -> IndexReport:
        """Index folders and files; see `Collection.index`."""
        options = self._remembered(options)
        given = [absolute(Path(path).expanduser()) for path in paths or self.store.metadata.roots]
        if not given:
            raise UniteSearchError("nothing to index: name a folder or a file")
        roots = [root for root in given if not is_gone(root)]
        missing = [root for root in given if root not in roots]
        if paths and missing:
            raise UniteSearchError(f"{missing[0]} does not exist; expected a folder or a file")
        started = time.monotonic()
        reading = self._read_options(options)
        check(reading.segments)
        if options.dry_run:
            meter = Meter(progress)
            ingest = self._ingest(reading, meter, IdCounter(self.store.directory, used_below=0))
            ingest.keep(missing)
            report = ingest.dry_run(roots, options, exclude=[self.store.directory])
        else:
            with self.store.writing() as ids, progress_file(self.store.directory, progress) as tell:
                meter = Meter(tell)
                self.store.remember(roots, reading, follow_links=bool(options.follow_links))
                ingest = self._ingest(reading, meter, ids)
                ingest.keep(missing)
                report = ingest.run(roots, options, exclude=[self.store.directory])
                if options.prune:
                    self.store.forget([*missing, *_useless(roots, report)])
                meter.show(items=report.items, embedded=report.embedded, skipped=len(report.skipped), stage="compact")
        meter.show(items=report.items, embedded=report.embedded, skipped=len(report.skipped), stage="done")
        report.seconds = time.monotonic() - started
        return report

    def again(self, paths: Sequence[Path]) -> IndexReport:
        """Index files that a repair has dropped; see `Collection.index_again`."""
        options = self._remembered(IndexOptions(workers=1))
        with self.store.writing() as ids:
            ingest = self._ingest(self._read_options(options), Meter(None), ids)
            return ingest.run(paths, options, exclude=[self.store.directory])

    def _remembered(self, options: IndexOptions) -> IndexOptions:
        """Return options with the values of the last run where none are given."""
        before = self.store.metadata
        return replace(
            options,
            segments=before.segments if options.segments is None else options.segments,
            keyframes_only=before.keyframes_only if options.keyframes_only is None else options.keyframes_only,
            follow_links=before.follow_links if options.follow_links is None else options.follow_links,
        )

    def _read_options(self, options: IndexOptions) -> ReadOptions:
        return ReadOptions(
            media=self.load_encoder().media,
            segments=options.segments or self.store.metadata.segments,
            keyframes_only=bool(options.keyframes_only),
        )

    def _ingest(self, reading: ReadOptions, meter: Meter, ids: IdCounter) -> Ingest:
        return Ingest(self.store.catalog, ids, self.load_encoder(), reading, meter)


def _useless(roots: Sequence[Path], report: IndexReport) -> list[Path]:
    """Return the roots that are files of a type that is not indexed, such as one that has replaced a folder."""
    unknown = {skip.path for skip in report.skipped if skip.reason.startswith(UNKNOWN_TYPE)}
    return [root for root in roots if root in unknown]
