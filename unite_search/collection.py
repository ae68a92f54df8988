"""`Collection`: the public interface to one collection. Only here do encoder, catalog and vector indexes meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from indexers.errors import DamagedIndexError
from indexers.partitioned import PartitionedIndex
from indexers.spec import IndexConfig
from unite_search.encoders.base import DEFAULT_ENCODER, Encoder, EncoderOptions, load_encoder
from unite_search.encoders.calibration import Calibration, find_calibration
from unite_search.errors import OutdatedError, UniteSearchError, UnknownItemError
from unite_search.ingest.indexing import Indexing
from unite_search.item import ITEM_COLUMNS, Item
from unite_search.media.uri import absolute
from unite_search.query import PathArgument, Query, SearchOptions, SearchResult
from unite_search.report import IndexOptions, IndexReport, ProgressCallback, Status
from unite_search.search.duplicates import Duplicates, find_duplicates
from unite_search.search.encoding import QueryVector, encode_query, foreign_note, words_alone
from unite_search.search.find import find
from unite_search.search.steering import Example, steered
from unite_search.storage.catalog import Catalog
from unite_search.storage.export import ExportReport, ExportSource, export_partitions
from unite_search.storage.imports import UNKNOWN_ENCODER, import_vectors
from unite_search.storage.metadata import FILE_NAME, CollectionMetadata, collection_directory
from unite_search.storage.selection import any_of
from unite_search.storage.store import Store

T = TypeVar("T")


class Collection:
    """A searchable set of items that one encoder embedded. It shows the state at `open` until `refresh` is called.

    Examples:
        >>> with Collection.open("./db", create=True) as collection:
        ...     report = collection.index(["./photos"])
        ...     result = collection.search(Query.of("a red car"), SearchOptions(top_k=2))
        >>> [hit.rank for hit in result.hits]
        [1, 2]
    """

    def __init__(
        self,
        directory: Path,
        encoder: str | Encoder | None = None,
        options: EncoderOptions | None = None,
        index: IndexConfig | None = None,
    ) -> None:
        self._store = Store(directory, index)
        self._given = encoder
        self._options = options or EncoderOptions()
        self._store.metadata.refuse_other_name(directory, encoder)

    @classmethod
    def open(
        cls,
        directory: PathArgument | None = None,
        *,
        encoder: str | Encoder | None = None,
        options: EncoderOptions | None = None,
        index: IndexConfig | None = None,
        create: bool = False,
    ) -> Collection:
        """Open a collection.

        Args:
            directory: the folder of the collection; None for the default collection.
            encoder: a name, a folder or an object. None for the encoder that built the collection, or for the default
                encoder in a new one.
            options: for an encoder given by name. The collection remembers those that change the vectors.
            index: kind, recall and memory of the vector indexes; the collection remembers them with its next change.
                None for what it remembers. `rebuild` converts the indexes that exist.
            create: create the collection if it does not exist.

        Raises:
            CollectionNotFoundError: there is no collection, and `create` is not set.
            EncoderMismatchError: the collection was built by another encoder.
        """
        folder = collection_directory() if directory is None else Path(directory).expanduser().absolute()
        if create and not (folder / FILE_NAME).exists():
            chosen = DEFAULT_ENCODER if encoder is None else encoder
            encoder = load_encoder(chosen, options) if isinstance(chosen, str) else chosen
            Store.create(folder, CollectionMetadata.of(encoder, index))
        return cls(folder, encoder, options, index)

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files. The collection cannot be used afterwards."""
        self._store.partitions.clear()

    @property
    def directory(self) -> Path:
        """The folder of the collection."""
        return self._store.directory

    @property
    def messages(self) -> list[str]:
        """What was repaired when the collection was opened, one line each."""
        return self._store.messages

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.directory.name

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders and files that were indexed; none in a collection that was imported."""
        return tuple(map(Path, self._store.metadata.roots))

    @property
    def encoder_name(self) -> str:
        """Name of the encoder that made the vectors."""
        return self._store.metadata.encoder

    @property
    def has_encoder(self) -> bool:
        """Whether it is known which encoder made the vectors; if not, items can be searched by `similar` only."""
        return self.encoder_name != UNKNOWN_ENCODER

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded when first needed.

        Raises:
            EncoderMismatchError: the installed encoder of that name makes other vectors.
        """
        return self._store.metadata.load_encoder(self.directory, self._given, self._options)

    @cached_property
    def _calibration(self) -> Calibration | None:
        """The statistics by which scores are log-odds; None for an encoder that has none."""
        return find_calibration(self.encoder_name, self._store.metadata.fingerprint)

    def refresh(self) -> bool:
        """Move to the newest state that a writer has committed; return whether it is newer.

        Other threads may search meanwhile.
        """
        return self._store.refresh()

    def index(
        self,
        paths: Sequence[PathArgument] = (),
        options: IndexOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> IndexReport:
        """Index folders and files: embed what is new or changed, and remove what was deleted.

        Renamed files keep their vectors. A run can be interrupted or killed at any moment; the next run continues
        where it stopped.

        Args:
            paths: folders and files. Without any, those that were indexed before; one of those that is missing now,
                such as a disk that is not mounted, is a warning, and its items stay until `prune` is set.
            options: how to read and embed.
            progress: called several times a second.

        Raises:
            CollectionLockedError: another process is writing.
            UniteSearchError: one of `paths` does not exist.
        """
        return self._indexing.run(paths, options or IndexOptions(), progress)

    def search(self, query: Query, options: SearchOptions | None = None) -> SearchResult:
        """Answer a query, best hits first.

        Raises:
            UnreadableFileError: a file of the query cannot be read.
            FilterError: the filter cannot be evaluated.
        """
        started = time.perf_counter()
        vector = self.query_vector(query)
        return self._answer(vector, options or SearchOptions(), encode_s=time.perf_counter() - started)

    def query_vector(self, query: Query) -> QueryVector:
        """Encode a query, and move it towards and away from the items that it names.

        Raises:
            UnreadableFileError: a file of the query cannot be read.
            UnknownItemError: an item that it names does not exist.
        """
        if query.mode == "words":
            return words_alone(query.texts)
        has_parts = query.texts or query.images or query.videos
        vector = encode_query(self.encoder, query) if has_parts else None
        return self.steered(vector, query.like, query.unlike)

    def steered(self, vector: QueryVector | None, like: Sequence[int], unlike: Sequence[int] = ()) -> QueryVector:
        """Move an encoded query towards some items and away from others; without one, the liked items are the query.

        Raises:
            UnknownItemError: one of the items does not exist.
        """
        liked, unliked = self._examples(like), self._examples(unlike)
        return steered(vector, liked, unliked) if liked or unliked or vector is None else vector

    def similar(self, item_id: int, options: SearchOptions | None = None) -> SearchResult:
        """Find the nearest neighbours of an item of the collection. The encoder is not loaded.

        Raises:
            UnknownItemError: there is no such item.
        """
        return self.search_vector(self.steered(None, [item_id]), options)

    def search_vector(self, vector: QueryVector, options: SearchOptions | None = None) -> SearchResult:
        """Answer a query that has been encoded already.

        Raises:
            FilterError: the filter cannot be evaluated.
        """
        return self._answer(vector, options or SearchOptions(), encode_s=0.0)

    def item(self, item_id: int) -> Item:
        """Return what the catalog knows of an item.

        Raises:
            UnknownItemError: there is no such item.
        """
        return Item.of(self._row(item_id, ITEM_COLUMNS))

    def items(self, where: str | None = None) -> Iterator[Item]:
        """Stream all items, or those that match a SQL expression, as of the first read.

        Raises:
            FilterError: the expression cannot be evaluated.
        """
        with self._store.reading() as (catalog, _):
            return map(Item.of, catalog.stream(ITEM_COLUMNS, where))

    def count(self, *, paths: Sequence[PathArgument] = (), ids: Sequence[int] = (), where: str | None = None) -> int:
        """Count the items that `remove` would remove with the same arguments.

        Raises:
            FilterError: the expression cannot be evaluated.
            ValueError: neither paths, nor ids, nor a filter are given; the filter `true` selects all.
        """
        condition = any_of(paths, ids, where)
        return self._read(lambda catalog, _: len(catalog.ids_where(condition)))

    def duplicates(self, paths: Sequence[PathArgument] = (), *, near: bool = False) -> Duplicates:
        """Group the files that are copies of each other; nothing is deleted.

        Args:
            paths: files and folders to look at; without any, the whole collection.
            near: whether to find pictures and clips that look the same, too, and not only equal bytes.
        """
        where = any_of(paths, (), None) if paths else None
        return self._retried(lambda: find_duplicates(self._store.catalog, where, near=near))

    def remove(self, *, paths: Sequence[PathArgument] = (), ids: Sequence[int] = (), where: str | None = None) -> int:
        """Remove items from the collection, never the files themselves; return how many.

        Args:
            paths: files, or folders with everything below. A later `index` without paths leaves them out, too.
            ids: items.
            where: SQL expression over the catalog's columns.

        Raises:
            FilterError: the expression cannot be evaluated.
            CollectionLockedError: another process is writing.
            ValueError: as in `count`.
        """
        condition = any_of(paths, ids, where)
        with self._store.writing():
            self._store.forget([absolute(Path(path).expanduser()) for path in paths])
            return self._store.catalog.remove(condition)

    def rebuild(self) -> dict[str, int]:
        """Rebuild the vector indexes from the catalog; return the number of items in each partition.

        Raises:
            CollectionLockedError: another process is writing.
            DamagedCollectionError: the catalog is damaged, and nothing was rebuilt.
        """
        return self._store.rebuild()

    def verify(self) -> list[str]:
        """Read everything and compare catalog, partitions and checksums; return the problems found, one line each."""
        return self._store.verify()

    def index_again(self, paths: Sequence[Path]) -> IndexReport:
        """Index files that a repair has dropped, as the collection was indexed before; they become no roots.

        Raises:
            EncoderUnavailableError, EncoderMismatchError, ImportError: the encoder of the collection cannot be had.
        """
        return self._indexing.again(paths)

    def export(self, directory: PathArgument) -> ExportReport:
        """Write vectors and metadata in the layout of clip-retrieval.

        Raises:
            UniteSearchError: the folder is not empty.
        """
        made_by = self._store.metadata
        source = ExportSource(encoder=made_by.encoder, fingerprint=made_by.fingerprint, dim=made_by.dim)
        return export_partitions(self._store.catalog, source, Path(directory).expanduser())

    @classmethod
    def from_export(cls, source: PathArgument, directory: PathArgument | None = None) -> Collection:
        """Create a collection from exported vectors: an export of `export`, or a plain clip-retrieval folder.

        A folder that does not say which encoder made its vectors can be searched by `similar` only.

        Raises:
            UniteSearchError: there is nothing to import, some of it cannot be stored, or there is a collection in
                `directory` already. Nothing is created then.
        """
        folder = collection_directory() if directory is None else Path(directory).expanduser().absolute()
        if (folder / FILE_NAME).exists():
            raise UniteSearchError(f"there is a collection at {folder} already; import into a new one")
        import_vectors(Path(source).expanduser().absolute(), folder)
        return cls(folder)

    def status(self) -> Status:
        """Count what the collection holds."""
        return self._retried(self._store.status)

    def _answer(self, vector: QueryVector, options: SearchOptions, *, encode_s: float) -> SearchResult:
        started = time.perf_counter()
        hits, searched, notes = self._read(
            lambda catalog, partitions: find(catalog, partitions, vector, options, self._calibration)
        )
        search_s = time.perf_counter() - started
        return SearchResult(
            hits=hits,
            searched=searched,
            encode_ms=encode_s * 1e3,
            search_ms=search_s * 1e3,
            notes=((foreign_note(self.encoder, vector.language),) if vector.language else ()) + notes,
        )

    def _read(self, ask: Callable[[Catalog, PartitionedIndex], T]) -> T:
        def once() -> T:
            with self._store.reading() as state:
                return ask(*state)

        return self._retried(once)

    def _retried(self, ask: Callable[[], T]) -> T:
        """Read; if a writer has deleted the open version or its files, move to the newest one and read again."""
        try:
            return ask()
        except (OutdatedError, DamagedIndexError):
            self.refresh()
        return ask()

    def _examples(self, ids: Sequence[int]) -> list[Example]:
        rows = (self._row(id_, ("embedding", "partition", "content_hash")) for id_ in ids)
        return [
            Example(np.asarray(row["embedding"], np.float32), row["partition"], row["content_hash"]) for row in rows
        ]

    def _row(self, item_id: int, columns: Sequence[str]) -> dict[str, Any]:
        row = self._read(lambda catalog, _: catalog.rows([item_id], columns).get(item_id))
        if row is None:
            raise UnknownItemError(f"no item {item_id} in {self.name}")
        return row

    @property
    def _indexing(self) -> Indexing:
        return Indexing(self._store, lambda: self.encoder)
