"""`Store`: a collection folder on disk, whose metadata, catalog and partitions it keeps consistent.

The catalog is the record, and the partitions are a cache of it: opening a store brings them up to date in memory, and
a write stores them after the last commit to the catalog. Threads may read while others refresh; what changes the
partitions is done by one thread after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock

from indexers.partitioned import PartitionedIndex
from indexers.spec import IndexConfig
from unite_search.errors import DamagedCollectionError, OutdatedError, UniteSearchError
from unite_search.media.types import ReadOptions
from unite_search.report import Status
from unite_search.storage.catalog import TABLE, Catalog
from unite_search.storage.check import damage_of_catalog, partition_problems, refuse_damage
from unite_search.storage.file_checksums import copy_text, newest_version
from unite_search.storage.locks import ReaderWriterLock, write_lock
from unite_search.storage.metadata import FILE_NAME, FORMAT_VERSION, CollectionMetadata, IdCounter
from unite_search.storage.sync import apply, fill, steps, sync
from unite_search.storage.upgrade import upgrade

VERIFY_ATTEMPTS = 5
CONVERSION_S = 20.0
"""How long to wait while another process converts the same collection."""
CONVERTED = f"converted to format {FORMAT_VERSION}; earlier versions of this program cannot read it"


class Store:
    """The state on disk, as of opening or of the last `refresh`.

    Attributes:
        directory: the collection's folder.
        messages: what was repaired while opening, one line each.
        metadata: the content of `collection.json`.
        catalog: a handle on one version of the table.
        partitions: the vector indexes, consistent with that version.
    """

    def __init__(self, directory: Path, index: IndexConfig | None = None) -> None:
        """Open a collection folder; one of an older format is converted first.

        Args:
            directory: the folder.
            index: replaces what the collection remembers of how its vectors are indexed.
        """
        self.directory = directory
        self.messages: list[str] = []
        self.metadata = self._current_format()
        self._index = index
        self.catalog = Catalog(directory / "catalog", dim=self.metadata.dim)
        self._lock = ReaderWriterLock()
        self._changing = RLock()
        self._stamp = self._stored_stamp()
        self.partitions = self._open_partitions(self.catalog)
        self._synced_version = self.catalog.version
        if self.messages[:1] == [CONVERTED]:
            with write_lock(directory, timeout_s=CONVERSION_S):
                self.settle()

    @classmethod
    def create(cls, directory: Path, metadata: CollectionMetadata) -> Store:
        """Create an empty collection, unless another process just did.

        The metadata file is written last, so a crash leaves no half-made collection.
        """
        directory.mkdir(parents=True, exist_ok=True)
        with write_lock(directory):
            if not (directory / FILE_NAME).exists():
                catalog = Catalog.create(directory / "catalog", dim=metadata.dim)
                catalog.record_files()
                PartitionedIndex.create(
                    directory / "partitions", dim=metadata.dim, fingerprint=metadata.fingerprint, config=metadata.index
                ).save(version=catalog.version)
                metadata.write(directory)
                copy_text(directory / FILE_NAME, directory / "catalog")
        return cls(directory)

    @contextmanager
    def reading(self) -> Iterator[tuple[Catalog, PartitionedIndex]]:
        """Provide a catalog and partitions that belong together, while another thread may refresh."""
        with self._lock.reading():
            yield self.catalog, self.partitions

    def refresh(self) -> bool:
        """Move to the newest committed state; return whether it is newer.

        While a writer is running, its new rows are added to the partitions in memory; once it has stored partitions,
        its files are opened instead. Readers wait only while the new state replaces the old one.
        """
        with self._changing:
            metadata, catalog = CollectionMetadata.read(self.directory), self.catalog.newest()
            stamp = self._stored_stamp()
            is_newer = catalog.version != self._synced_version
            if stamp == self._stamp:
                todo = list(steps(self.partitions, catalog)) if is_newer else []
                with self._lock.writing():
                    apply(self.partitions, todo)
                    self.metadata, self.catalog, self._synced_version = metadata, catalog, catalog.version
            else:
                partitions, old = self._open_partitions(catalog), self.partitions
                with self._lock.writing():
                    old.clear()
                    self.metadata, self.catalog, self.partitions, self._stamp = metadata, catalog, partitions, stamp
                    self._synced_version = catalog.version
            return is_newer

    @contextmanager
    def writing(self) -> Iterator[IdCounter]:
        """Hold the write lock during a change of the catalog; then compact the catalog and store the partitions.

        Raises:
            CollectionLockedError: another process is writing.
            DamagedCollectionError: files that a change would be based on are damaged.
        """
        with write_lock(self.directory):
            self.catalog.refresh()
            self.catalog.refuse_damage()
            before = self.catalog.version
            ids = IdCounter(self.directory, used_below=self.catalog.highest_id() + 1)
            try:
                yield ids
            finally:
                ids.close()
                with self._changing:
                    self._reread_metadata()
            with self._changing:
                self.catalog.refresh()
                if self.catalog.version != before:
                    self._compact()
                self._save_partitions()
                self._record_files()

    def rebuild(self) -> dict[str, int]:
        """Rebuild the partitions from the catalog; return the number of items in each.

        Raises:
            CollectionLockedError: another process is writing.
            DamagedCollectionError: the catalog is damaged. The partitions stay, because they may be all that is left.
        """
        with write_lock(self.directory), self._changing:
            self.catalog.refresh()
            refuse_damage(self.directory, self.metadata.dim)
            self._reread_metadata()
            self.build_partitions()
        return {name: self.partitions.count(name) for name in self.partitions.names()}

    def build_partitions(self) -> None:
        """Replace all partitions by new ones, made from the catalog. Needs the write lock, and no other threads."""
        self.catalog.refresh()
        self.partitions = PartitionedIndex.create(
            self.directory / "partitions",
            dim=self.metadata.dim,
            fingerprint=self.metadata.fingerprint,
            config=self._index or self.metadata.index,
        )
        self._save_partitions()
        self._record_files()

    def settle(self) -> None:
        """Bring the stored partitions and file checksums up to date. Needs the write lock, and no other threads."""
        self.catalog.refresh()
        self._save_partitions()
        self._record_files()

    def verify(self) -> list[str]:
        """Read everything and compare catalog, partitions and checksums; return the problems found.

        Files that a writer replaced meanwhile are no problems: if it has, everything is read again.
        """
        problems: list[str] = []
        for _ in range(VERIFY_ATTEMPTS):
            before = self._state_on_disk()
            try:
                problems = self._problems()
            except OutdatedError as error:
                problems = [str(error)]
            if not problems or self._state_on_disk() == before:
                break
        return problems

    def _problems(self) -> list[str]:
        stored = self._stored_partitions()
        self.refresh()
        damage = damage_of_catalog(self.directory / "catalog", self.metadata.dim)
        problems = [*damage.lines(), *stored.problems, *stored.verify()]
        if not damage.unreadable:
            with self.reading() as (catalog, partitions):
                problems += partition_problems(catalog, partitions)
        return problems

    def remember(self, roots: Sequence[Path], options: ReadOptions, *, follow_links: bool) -> None:
        """Store the roots and how they are read, for a later `index` without arguments. Needs the write lock."""
        metadata = CollectionMetadata.read(self.directory)
        replace(
            metadata,
            roots=tuple(dict.fromkeys([*metadata.roots, *map(str, roots)])),
            segments=options.segments,
            keyframes_only=options.keyframes_only,
            follow_links=follow_links,
        ).write(self.directory)

    def forget(self, paths: Sequence[Path]) -> None:
        """Forget the roots that are one of the paths, or below one. Needs the write lock."""
        metadata = CollectionMetadata.read(self.directory)
        kept = tuple(root for root in metadata.roots if not any(Path(root).is_relative_to(path) for path in paths))
        if kept != metadata.roots:
            replace(metadata, roots=kept).write(self.directory)

    def status(self) -> Status:
        """Count items, files, duplicates and bytes."""
        with self.reading() as (catalog, indexes):
            partitions, states = catalog.ids_by_partition(), catalog.states()
            kinds = {name: indexes.partition(name).spec for name in indexes.names()}
            version = catalog.version
        copies = Counter(state.content_hash for state in states.values())
        return Status(
            name=self.directory.name,
            directory=self.directory,
            encoder=self.metadata.encoder,
            fingerprint=self.metadata.fingerprint,
            dim=self.metadata.dim,
            files=len(states),
            items={name: len(partitions[name]) for name in sorted(partitions)},
            indexes=kinds,
            size_bytes=sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file()),
            roots=tuple(map(Path, self.metadata.roots)),
            duplicates=sum(count - 1 for count in copies.values()),
            version=version,
        )

    def _current_format(self) -> CollectionMetadata:
        """Read the metadata, after converting a collection of an older format.

        Raises:
            UniteSearchError: the collection must be converted, and cannot be written.
        """
        metadata = CollectionMetadata.read(self.directory)
        if metadata.format_version == FORMAT_VERSION:
            return metadata
        try:
            with write_lock(self.directory, timeout_s=CONVERSION_S):
                upgrade(self.directory / "catalog")
                metadata = replace(CollectionMetadata.read(self.directory), format_version=FORMAT_VERSION)
                metadata.write(self.directory)
                Catalog(self.directory / "catalog", dim=metadata.dim).record_files()
        except OSError as error:
            raise UniteSearchError(
                f"{self.directory} is of an older version and has to be converted once, but it cannot be written; "
                "make it writable, open it, then protect it again"
            ) from error
        self.messages.append(CONVERTED)
        return metadata

    def _reread_metadata(self) -> None:
        """Read the metadata again, and open the partitions anew if another writer changed their configuration."""
        opened_with = self._index or self.metadata.index
        self.metadata = CollectionMetadata.read(self.directory)
        if self._index is None and self.metadata.index != opened_with:
            with self._lock.writing():
                self.partitions = self._open_partitions(self.catalog)

    def _compact(self) -> None:
        """Compact the catalog; damage that this meets is a message, because what was committed is safe."""
        try:
            self.catalog.compact()
        except DamagedCollectionError as error:
            self.messages.append(str(error))

    def _record_files(self) -> None:
        self.catalog.record_files()
        copy_text(self.directory / FILE_NAME, self.directory / "catalog")

    def _save_partitions(self) -> None:
        """Store the partitions, unless vectors are damaged in the catalog: then the stored ones may have them."""
        damaged: list[int] = []
        changed = fill(self.partitions, self.catalog) + sync(self.partitions, self.catalog, damaged)
        if damaged:
            self._tell_of(damaged)
        elif changed or self.partitions.version != self.catalog.version:
            self.partitions.save(version=self.catalog.version)
        if self._index is not None and self._index != self.metadata.index:
            self.metadata = replace(self.metadata, index=self._index)
            self.metadata.write(self.directory)
        self._synced_version = self.catalog.version

    def _tell_of(self, damaged: Sequence[int]) -> None:
        self.messages.append(
            f"{len(damaged):,} items cannot be searched, because their vectors in the catalog are damaged; "
            f"`unite-search repair --db {self.directory}` brings back what can be"
        )

    def _open_partitions(self, catalog: Catalog) -> PartitionedIndex:
        partitions = self._stored_partitions()
        self.messages += [f"{problem}; rebuilt from the catalog" for problem in partitions.problems]
        damaged: list[int] = []
        if partitions.version != catalog.version:
            sync(partitions, catalog, damaged)
        if damaged:
            self._tell_of(damaged)
        return partitions

    def _state_on_disk(self) -> tuple[int, int]:
        """Return what differs once a writer has committed, or has stored partitions."""
        return newest_version(self.directory / "catalog" / TABLE), self._stored_stamp()

    def _stored_stamp(self) -> int:
        """Return the modification time of the partitions folder, which changes whenever partitions are stored."""
        try:
            return (self.directory / "partitions").stat().st_mtime_ns
        except OSError:
            return 0

    def _stored_partitions(self) -> PartitionedIndex:
        return PartitionedIndex.open(
            self.directory / "partitions",
            dim=self.metadata.dim,
            fingerprint=self.metadata.fingerprint,
            config=self._index or self.metadata.index,
        )
