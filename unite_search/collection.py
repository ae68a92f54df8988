"""`Collection`: an encoder, a catalog and its partitions in one folder. The only place where the three meet."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType

import numpy as np

from indexers.partitioned import PartitionedIndex
from unite_search.catalog import Catalog, Change
from unite_search.encoders.base import Encoder
from unite_search.encoders.registry import DEFAULT_ENCODER, load_encoder
from unite_search.errors import EncoderMismatchError, UniteSearchError, UnknownItemError
from unite_search.export import ExportReport, Source, export_partitions, read_source
from unite_search.imports import embedding_dim, read_rows
from unite_search.ingest import Ingest
from unite_search.lock import write_lock
from unite_search.manifest import FILE_NAME, IdCounter, Manifest
from unite_search.media.types import ReadOptions
from unite_search.media.uri import path_to_uri
from unite_search.places import collection_directory
from unite_search.progress import Meter
from unite_search.query import Query, SearchOptions, SearchResult
from unite_search.report import IndexOptions, IndexReport, ProgressCallback, Status
from unite_search.search import QueryVector, encode_query, find
from unite_search.status import read_status
from unite_search.sync import sync
from unite_search.verify import find_problems

AnyPath = str | PathLike[str]
IMPORTED = "imported"


class Collection:
    """Items of one encoder, searchable. A reader sees the state at `open` until it calls `refresh`.

    Example:
        >>> with Collection.open("./db", create=True) as collection:  # doctest: +SKIP
        ...     collection.index(["./photos"])
        ...     collection.search(Query.of("a dog on the beach")).hits
    """

    def __init__(self, directory: Path, encoder: str | Encoder | None = None) -> None:
        self.directory = directory
        self.messages: list[str] = []
        self._given = encoder
        self._encoder: Encoder | None = None
        self._manifest = Manifest.read(directory)
        if encoder is not None:
            self._check(encoder if isinstance(encoder, str) else encoder.name)
        self._catalog = Catalog(directory / "catalog", dim=self._manifest.dim)
        self._partitions = self._open_partitions()

    @classmethod
    def open(
        cls, directory: AnyPath | None = None, *, encoder: str | Encoder | None = None, create: bool = False
    ) -> Collection:
        """Open a collection.

        Args:
            directory: its folder; None for the default collection.
            encoder: name or object; None for the one that made the collection, or the default for a new one.
            create: make the collection when it is not there.

        Raises:
            CollectionNotFoundError: there is none, and `create` is not set.
            EncoderMismatchError: it was built by another encoder.
        """
        folder = collection_directory() if directory is None else Path(directory).expanduser().absolute()
        if create and not (folder / FILE_NAME).exists():
            chosen = DEFAULT_ENCODER if encoder is None else encoder
            encoder = load_encoder(chosen) if isinstance(chosen, str) else chosen
            _create(folder, Source(encoder=encoder.name, fingerprint=encoder.fingerprint, dim=encoder.dim))
        return cls(folder, encoder)

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; the collection cannot be used any more."""
        self._partitions.clear()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.directory.name

    @property
    def encoder_name(self) -> str:
        """Name of the encoder that made the vectors."""
        return self._manifest.encoder

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when first needed.

        Raises:
            EncoderMismatchError: the installed encoder of that name makes other vectors.
        """
        if self._encoder is None:
            given = self._manifest.encoder if self._given is None else self._given
            encoder = load_encoder(given) if isinstance(given, str) else given
            self._check(encoder.name, encoder.fingerprint)
            self._encoder = encoder
        return self._encoder

    def refresh(self) -> None:
        """See what others have written since the collection was opened."""
        self._manifest = Manifest.read(self.directory)
        self._catalog.refresh()
        self._partitions = self._open_partitions()

    def index(
        self,
        paths: Sequence[AnyPath] = (),
        options: IndexOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> IndexReport:
        """Bring the collection in step with some folders or files; without any, with those indexed before.

        New and changed files are embedded, renamed ones keep their vectors, deleted ones leave. Safe to
        interrupt or kill at any moment: the next run goes on where this one stopped.

        Raises:
            CollectionLockedError: another process is writing.
            UniteSearchError: a path does not exist.
        """
        options = options or IndexOptions()
        roots = [Path(path).expanduser().absolute() for path in paths] or [Path(root) for root in self._manifest.roots]
        if not roots:
            raise ValueError("nothing to index: name a folder or a file")
        started = time.monotonic()
        meter = Meter(progress)
        if options.dry_run:
            unused = IdCounter(self.directory, used_below=0)
            report = self._ingest(options, meter, unused).dry_run(roots, exclude=[self.directory])
        else:
            with self._writing() as ids:
                self._remember_roots(roots)
                report = self._ingest(options, meter, ids).run(
                    roots,
                    exclude=[self.directory],
                    workers=options.workers or os.cpu_count() or 1,
                    batch_size=options.batch_size,
                )
                meter.show(items=report.items, skipped=len(report.skipped), stage="compact")
        meter.show(items=report.items, skipped=len(report.skipped), stage="done")
        report.seconds = time.monotonic() - started
        return report

    def search(self, query: Query, options: SearchOptions | None = None) -> SearchResult:
        """Answer a query, best hits first.

        Raises:
            UnreadableFileError: a file of the query cannot be read.
            FilterError: the filter cannot be evaluated.
        """
        started = time.perf_counter()
        vector = encode_query(self.encoder, query)
        return self._answer(vector, options or SearchOptions(), encode_s=time.perf_counter() - started)

    def similar(self, item_id: int, options: SearchOptions | None = None) -> SearchResult:
        """Find the neighbours of an item that is in the collection; no encoder is needed.

        Raises:
            UnknownItemError: there is no such item.
        """
        row = self._catalog.rows([item_id], ["content_hash"]).get(item_id)
        if row is None:
            raise UnknownItemError(f"no item {item_id} in {self.directory}")
        _, embeddings = next(self._catalog.embeddings(np.array([item_id])))
        vector = QueryVector(embeddings[0], frozenset([row["content_hash"]]))
        return self._answer(vector, options or SearchOptions(), encode_s=0.0)

    def remove(self, *, paths: Sequence[AnyPath] = (), ids: Sequence[int] = (), where: str | None = None) -> int:
        """Take items out of the collection, never the files themselves; returns how many.

        Args:
            paths: files, or folders with everything below.
            ids: items.
            where: SQL expression over the catalog's columns.

        Raises:
            FilterError: the expression cannot be evaluated.
        """
        conditions = [_below(Path(path).expanduser().absolute()) for path in paths]
        conditions += [f"id IN ({', '.join(str(int(id_)) for id_ in ids)})"] if ids else []
        conditions += [f"({where})"] if where else []
        if not conditions:
            raise ValueError("nothing to remove: give paths, ids or a filter")
        with self._writing():
            return self._catalog.remove(" OR ".join(conditions))

    def rebuild(self) -> list[str]:
        """Make the partitions anew from the catalog; returns what was done."""
        with self._writing():
            self._partitions = PartitionedIndex.create(
                self.directory / "partitions", dim=self._manifest.dim, fingerprint=self._manifest.fingerprint
            )
        return [f"{name}: {self._partitions.count(name)} items" for name in self._partitions.names()]

    def verify(self) -> list[str]:
        """Read everything and compare catalog, partitions and checksums; returns the problems found."""
        stored = self._stored_partitions()
        self.refresh()
        return [*stored.problems, *stored.verify(), *find_problems(self._catalog, self._partitions)]

    def export(self, directory: AnyPath) -> ExportReport:
        """Write vectors and metadata in the layout of clip-retrieval.

        Raises:
            UniteSearchError: the folder is not empty.
        """
        source = Source(encoder=self._manifest.encoder, fingerprint=self._manifest.fingerprint, dim=self._manifest.dim)
        return export_partitions(self._catalog, source, Path(directory).expanduser())

    @classmethod
    def from_export(cls, source: AnyPath, directory: AnyPath | None = None) -> Collection:
        """Make a new collection of exported vectors: our own export, or a plain clip-retrieval folder.

        A folder that does not say which encoder made its vectors can be searched by `similar` only.

        Raises:
            UniteSearchError: nothing to import, or there is a collection in `directory` already.
        """
        origin = Path(source).expanduser().absolute()
        folder = collection_directory() if directory is None else Path(directory).expanduser().absolute()
        if (folder / FILE_NAME).exists():
            raise UniteSearchError(f"there is a collection at {folder} already; import into a new one")
        made_by = read_source(origin) or Source(encoder=IMPORTED, fingerprint=IMPORTED, dim=embedding_dim(origin))
        _create(folder, made_by)
        collection = cls(folder)
        with collection._writing() as ids:
            for rows in read_rows(origin, ids):
                collection._catalog.commit(Change(new=rows))
        return collection

    def status(self) -> Status:
        """What the collection holds."""
        return read_status(self.directory, self._manifest, self._catalog)

    def _answer(self, vector: QueryVector, options: SearchOptions, *, encode_s: float) -> SearchResult:
        started = time.perf_counter()
        hits, searched = find(self._catalog, self._partitions, vector, options)
        search_s = time.perf_counter() - started
        return SearchResult(hits=hits, searched=searched, encode_ms=encode_s * 1e3, search_ms=search_s * 1e3)

    def _ingest(self, options: IndexOptions, meter: Meter, ids: IdCounter) -> Ingest:
        read = ReadOptions(media=self.encoder.media, segments=options.segments, keyframes_only=options.keyframes_only)
        return Ingest(self._catalog, ids, self.encoder, read, meter)

    @contextmanager
    def _writing(self) -> Iterator[IdCounter]:
        """Hold the write lock over a change of the catalog; afterwards compact it and store the partitions."""
        with write_lock(self.directory):
            self._catalog.refresh()
            before = self._catalog.version
            used, _ = self._catalog.ids_and_modalities()
            ids = IdCounter(self.directory, used_below=int(used.max(initial=-1)) + 1)
            try:
                yield ids
            finally:
                ids.close()
                self._manifest = Manifest.read(self.directory)
            if self._catalog.version != before:
                self._catalog.compact()
            sync(self._partitions, self._catalog)
            self._partitions.save(version=self._catalog.version)

    def _open_partitions(self) -> PartitionedIndex:
        partitions = self._stored_partitions()
        self.messages += [f"{problem}; rebuilt from the catalog" for problem in partitions.problems]
        if partitions.version != self._catalog.version:
            sync(partitions, self._catalog)
        return partitions

    def _stored_partitions(self) -> PartitionedIndex:
        return PartitionedIndex.open(
            self.directory / "partitions", dim=self._manifest.dim, fingerprint=self._manifest.fingerprint
        )

    def _remember_roots(self, roots: Sequence[Path]) -> None:
        manifest = Manifest.read(self.directory)
        known = dict.fromkeys([*manifest.roots, *map(str, roots)])
        replace(manifest, roots=tuple(known)).write(self.directory)

    def _check(self, name: str, fingerprint: str | None = None) -> None:
        made_by = self._manifest
        if name != made_by.encoder or fingerprint not in (None, made_by.fingerprint):
            raise EncoderMismatchError(
                f"{self.directory} was built by encoder {made_by.encoder} ({made_by.fingerprint}), not by {name}"
                + (f" ({fingerprint})" if fingerprint else "")
                + "; use that encoder, or index into another collection"
            )


def _create(directory: Path, made_by: Source) -> None:
    """Make an empty collection; its manifest comes last, so a crash before leaves none."""
    catalog = Catalog.create(directory / "catalog", dim=made_by.dim)
    partitions = PartitionedIndex.create(directory / "partitions", dim=made_by.dim, fingerprint=made_by.fingerprint)
    partitions.save(version=catalog.version)
    Manifest(encoder=made_by.encoder, fingerprint=made_by.fingerprint, dim=made_by.dim).write(directory)


def _below(path: Path) -> str:
    """SQL for a file, or everything below a folder."""
    uri = path_to_uri(path).replace("'", "''")
    return f"(uri = '{uri}' OR starts_with(uri, '{uri.rstrip('/')}/'))"
