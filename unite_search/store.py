"""`Store`: one collection folder on disk, its manifest, catalog and partitions kept in step. Knows no encoder.

The catalog is the record and the partitions are a cache of it: opening a store brings them up to date in memory, a
write stores them again once the catalog has its last commit. Threads may read while one of them refreshes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from indexers.partitioned import PartitionedIndex
from unite_search.catalog import Catalog
from unite_search.lock import write_lock
from unite_search.manifest import FILE_NAME, IdCounter, Manifest
from unite_search.media.types import ReadOptions
from unite_search.sharing import SharedLock
from unite_search.sync import apply, steps, sync
from unite_search.verify import find_problems


class Store:
    """What is on disk, as of the opening or the last `refresh`.

    Attributes:
        directory: the collection's folder.
        messages: what was repaired while opening, one line each.
        manifest: content of `collection.json`.
        catalog: handle on one version of the table.
        partitions: in step with that version.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.messages: list[str] = []
        self.manifest = Manifest.read(directory)
        self.catalog = Catalog(directory / "catalog", dim=self.manifest.dim)
        self._lock = SharedLock()
        self._stamp = self._stored_stamp()
        self.partitions = self._open_partitions(self.catalog)
        self._synced_version = self.catalog.version

    @classmethod
    def create(cls, directory: Path, manifest: Manifest) -> Store:
        """Make an empty collection, unless another process just did.

        The manifest comes last, so a crash before leaves none.
        """
        directory.mkdir(parents=True, exist_ok=True)
        with write_lock(directory):
            if not (directory / FILE_NAME).exists():
                catalog = Catalog.create(directory / "catalog", dim=manifest.dim)
                PartitionedIndex.create(
                    directory / "partitions", dim=manifest.dim, fingerprint=manifest.fingerprint
                ).save(version=catalog.version)
                manifest.write(directory)
        return cls(directory)

    @contextmanager
    def reading(self) -> Iterator[tuple[Catalog, PartitionedIndex]]:
        """Hold a catalog and partitions that belong together, while another thread may refresh."""
        with self._lock.reading():
            yield self.catalog, self.partitions

    def refresh(self) -> bool:
        """See what others have written; returns whether there was anything.

        Readers wait only while what was read is put in its place.

        While a writer is at work, its rows are added to the partitions in memory; once it has stored them, its files
        are opened instead.
        """
        manifest, catalog, stamp = Manifest.read(self.directory), self.catalog.newest(), self._stored_stamp()
        is_newer = catalog.version != self._synced_version
        if stamp == self._stamp:
            todo = list(steps(self.partitions, catalog)) if is_newer else []
            with self._lock.changing():
                apply(self.partitions, todo)
                self.manifest, self.catalog, self._synced_version = manifest, catalog, catalog.version
        else:
            partitions, old = self._open_partitions(catalog), self.partitions
            with self._lock.changing():
                old.clear()
                self.manifest, self.catalog, self.partitions, self._stamp = manifest, catalog, partitions, stamp
                self._synced_version = catalog.version
        return is_newer

    @contextmanager
    def writing(self) -> Iterator[IdCounter]:
        """Hold the write lock over a change of the catalog; afterwards compact it and store the partitions.

        Raises:
            CollectionLockedError: another process is writing.
        """
        with write_lock(self.directory):
            self.catalog.refresh()
            before = self.catalog.version
            used, _ = self.catalog.ids_and_modalities()
            ids = IdCounter(self.directory, used_below=int(used.max(initial=-1)) + 1)
            try:
                yield ids
            finally:
                ids.close()
                self.manifest = Manifest.read(self.directory)
            if self.catalog.version != before:
                self.catalog.compact()
            self._save_partitions()

    def rebuild(self) -> dict[str, int]:
        """Make the partitions anew from the catalog; returns their sizes.

        Raises:
            CollectionLockedError: another process is writing.
        """
        with write_lock(self.directory):
            self.catalog.refresh()
            self.partitions = PartitionedIndex.create(
                self.directory / "partitions", dim=self.manifest.dim, fingerprint=self.manifest.fingerprint
            )
            self._save_partitions()
        return {name: self.partitions.count(name) for name in self.partitions.names()}

    def verify(self) -> list[str]:
        """Read everything and compare catalog, partitions and checksums; returns the problems found."""
        stored = self._stored_partitions()
        self.refresh()
        return [*stored.problems, *stored.verify(), *find_problems(self.catalog, self.partitions)]

    def remember(self, roots: Sequence[Path], options: ReadOptions) -> None:
        """Note folders and how they are read, for a later `index` without arguments; needs the write lock."""
        manifest = Manifest.read(self.directory)
        known = dict.fromkeys([*manifest.roots, *map(str, roots)])
        replace(manifest, roots=tuple(known), segments=options.segments, keyframes_only=options.keyframes_only).write(
            self.directory
        )

    def _save_partitions(self) -> None:
        changed = sync(self.partitions, self.catalog)
        if changed or self.partitions.version != self.catalog.version:
            self.partitions.save(version=self.catalog.version)
        self._synced_version = self.catalog.version

    def _open_partitions(self, catalog: Catalog) -> PartitionedIndex:
        partitions = self._stored_partitions()
        self.messages += [f"{problem}; rebuilt from the catalog" for problem in partitions.problems]
        if partitions.version != catalog.version:
            sync(partitions, catalog)
        return partitions

    def _stored_stamp(self) -> int:
        """What changes whenever a writer stores partitions: when something in their folder was last named anew."""
        try:
            return (self.directory / "partitions").stat().st_mtime_ns
        except OSError:
            return 0

    def _stored_partitions(self) -> PartitionedIndex:
        return PartitionedIndex.open(
            self.directory / "partitions", dim=self.manifest.dim, fingerprint=self.manifest.fingerprint
        )
