"""`PartitionedIndex`: named Faiss indexes in one folder, described by one manifest.

Every save writes what has changed to new files, then replaces the manifest, then deletes the files that it no longer
names. A crash leaves the old state or the new one; a reader that opened the folder before keeps what it has mapped.
The folder is a cache: what cannot be read is reported in `problems` and left out, for the owner to add again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from indexers.approximate import check_spec
from indexers.arrays import Embeddings, Ids, Mask, Scores
from indexers.errors import DamagedIndexError
from indexers.faiss_index import FaissIndex
from indexers.manifest import FILE_NAME, Manifest
from indexers.partition import Partition, StoredPartition
from indexers.spec import IndexConfig

OPEN_ATTEMPTS = 3
MOST_ADDED_VALUES = 1 << 24
"""Numbers in new (N, D) rows up to which they may well be in memory: 64 MB, and as much again while they grow."""


class PartitionedIndex:
    """Named partitions of one dimension, made by one encoder (`fingerprint`).

    Use `create` or `open` to get one.

    Examples:
        >>> rows = np.eye(4, dtype=np.float32)
        >>> index = PartitionedIndex.create(Path("parts"), dim=4, fingerprint="my-encoder-1")
        >>> index.upsert("image", np.array([10, 11, 12, 13]), rows)
        0
        >>> index.save(version=1)
        >>> scores, ids = index.search(["image"], rows[2:3], 1)["image"]
        >>> ids.tolist(), scores.tolist()
        ([[12]], [[1.0]])

    Attributes:
        problems: what could not be opened, one line each.
        version: the version of the owner's data that the stored files cover; None if something is missing.
    """

    def __init__(self, directory: Path, *, dim: int, fingerprint: str, config: IndexConfig | None = None) -> None:
        self.problems: list[str] = []
        self.version: int | None = None
        self._directory = directory
        self._dim = dim
        self._fingerprint = fingerprint
        self._config = config or IndexConfig()
        if self._config.spec is not None:
            check_spec(self._config.spec, dim)
        self._generation = 0
        self._partitions = self._no_partitions()

    @classmethod
    def create(
        cls, directory: Path, *, dim: int, fingerprint: str, config: IndexConfig | None = None
    ) -> PartitionedIndex:
        """Create an index without partitions; nothing is written before `save`.

        Args:
            directory: the folder to save to; created by `save`.
            dim: D.
            fingerprint: identifies the encoder that makes the embeddings.
            config: which kind of index to build.

        Raises:
            UnknownSpecError: Faiss does not know the spec of the configuration.
        """
        index = cls(directory, dim=dim, fingerprint=fingerprint, config=config)
        index._generation = Manifest.generation_of(directory)
        return index

    @classmethod
    def open(
        cls, directory: Path, *, dim: int, fingerprint: str, config: IndexConfig | None = None
    ) -> PartitionedIndex:
        """Open a folder. Damage raises no error, see `problems`.

        A writer may replace the files after the manifest was read and before they are opened; then the manifest has
        changed, and it is read again.

        Raises:
            UnknownSpecError: Faiss does not know the spec of the configuration.
        """
        for _ in range(OPEN_ATTEMPTS):
            index = cls(directory, dim=dim, fingerprint=fingerprint, config=config)
            index._read()
            if Manifest.generation_of(directory) == index._generation:
                break
        return index

    def names(self) -> list[str]:
        """Return the names of the partitions that hold rows, sorted."""
        return [name for name in self._partitions if self._partitions.count(name)]

    def ids(self, name: str) -> Ids:
        """Return the (N,) int64 ids of a partition; empty if it does not exist."""
        return self._partitions[name].index.ids if name in self._partitions else np.empty(0, np.int64)

    def count(self, name: str) -> int:
        """Return the number of rows of a partition, 0 if it does not exist."""
        return self._partitions.count(name) if name in self._partitions else 0

    def partition(self, name: str) -> FaissIndex:
        """Return the index of one partition, for reading; changes made to it directly are not stored.

        Raises:
            KeyError: there is no partition of this name.
        """
        return self._partitions[name].index

    def add(self, name: str, ids: Ids, embeddings: Embeddings) -> None:
        """Add rows to a partition, which need not exist yet.

        Args:
            name: name of the partition.
            ids: (n,) int64, new to the partition.
            embeddings: (n, D) float32.

        Raises:
            DimensionError: the rows have another dimension, or their number differs from the number of ids.
        """
        self._for_writing(name).add(ids, embeddings)

    def upsert(self, name: str, ids: Ids, embeddings: Embeddings) -> int:
        """Add rows, replacing those with the same ids; return how many were replaced.

        Raises:
            DimensionError: the rows have another dimension, or their number differs from the number of ids.
            ValueError: an id is given twice.
        """
        return self._for_writing(name).upsert(ids, embeddings)

    def fill(self, name: str, rows: Iterable[tuple[Ids, Embeddings]], *, count: int) -> None:
        """Build a partition that holds no rows yet from more rows than fit the memory; call `save` next.

        Its rows are written to their file as they come. Where `is_large` is false, `add` is faster.

        Args:
            name: name of the partition.
            rows: (n,) ids and (n, D) float32 rows.
            count: N, the number of rows in all.

        Raises:
            ValueError: the partition holds rows.
            DimensionError: there are more or fewer rows.
        """
        if self.count(name):
            raise ValueError(f"partition {name} holds {self.count(name)} rows; fill builds new ones only")
        self._directory.mkdir(parents=True, exist_ok=True)
        generation = max(self._generation, Manifest.generation_of(self._directory)) + 1
        like = FaissIndex(self._dim, self._config)
        stem = f"{name}.{generation}"
        self._partitions.put(name, Partition.streamed(self._directory, stem, rows, like=like, count=count))

    def is_large(self, count: int) -> bool:
        """Return whether so many new rows are worth `fill`."""
        return count * self._dim > MOST_ADDED_VALUES

    def remove(self, ids: Ids) -> int:
        """Delete ids from every partition that holds them; return how many rows were deleted."""
        total = 0
        for name in self._partitions:
            partition = self._partitions[name]
            removed = partition.index.remove(ids)
            if removed:
                partition.changed()
            total += removed
        return total

    def search(
        self, names: Iterable[str], queries: Embeddings, k: int, *, allowed: Ids | Mask | None = None
    ) -> dict[str, tuple[Scores, Ids]]:
        """Search some partitions, each by itself; `merge` makes one list of the results.

        Args:
            names: names of partitions.
            queries: (Q, D) float32.
            k: K, results per query and partition.
            allowed: which ids may be returned: sorted distinct ids, or one boolean for each id from 0 on; None for
                all.

        Returns:
            For each partition (Q, K) scores and (Q, K) ids; where fewer rows exist, -inf and -1 fill the rest.

        Raises:
            KeyError: there is no partition of one of the names.
            DimensionError: the queries have another dimension.
        """
        found = {}
        for name in names:
            partition = self._partitions[name]
            partition.read_ahead(self._directory)
            found[name] = partition.index.search(queries, k, allowed=allowed)
        return found

    def reconstruct(self, name: str, ids: Ids) -> Embeddings:
        """Return the (n, D) rows of some ids of a partition.

        Raises:
            KeyError: an id is not in the partition.
        """
        return self._partitions[name].index.reconstruct(ids)

    def sample(self, name: str) -> Embeddings:
        """Return the fixed sample of a partition, at most 512 rows, on whose scores `merge` calibrates."""
        return self._partitions[name].sample()

    def clear(self) -> None:
        """Close every partition; the files stay, and unsaved changes are lost."""
        self._partitions = self._no_partitions()

    def save(self, *, version: int) -> None:
        """Store all changes, as covering `version` of the owner's data; compact and tune what has changed much."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._generation = max(self._generation, Manifest.generation_of(self._directory)) + 1
        kept = {}
        for name in self.names():
            kept[name] = self._partitions.stored(name) or self._partitions[name].store(
                self._directory, f"{name}.{self._generation}"
            )
        Manifest(
            dim=self._dim,
            fingerprint=self._fingerprint,
            version=version,
            generation=self._generation,
            partitions={name: asdict(stored) for name, stored in kept.items()},
        ).write(self._directory)
        self.version, self.problems = version, []
        self._delete_unnamed(kept.values())

    def verify(self) -> list[str]:
        """Read every stored file and compare its checksum; return one line for each that differs."""
        stored = [self._partitions.stored(name) for name in self._partitions]
        found = []
        for file in (file for partition in stored if partition for file in partition.files):
            problem = file.problem(self._directory, is_thorough=True)
            if problem:
                found.append(f"partition file {file.name}: {problem}")
        return found

    def _for_writing(self, name: str) -> FaissIndex:
        if name in self._partitions:
            partition = self._partitions[name]
        else:
            partition = self._partitions.put(name, Partition(FaissIndex(self._dim, self._config)))
        partition.changed()
        return partition.index

    def _read(self) -> None:
        manifest = Manifest.read(self._directory)
        if manifest is None:
            self.problems.append("no readable partitions")
            return
        self._generation = manifest.generation
        if (manifest.dim, manifest.fingerprint) != (self._dim, self._fingerprint):
            self.problems.append(f"partitions are of encoder {manifest.fingerprint}, dim {manifest.dim}")
            return
        for name, content in manifest.partitions.items():
            self._load(name, content)
        self.version = None if self.problems else manifest.version

    def _load(self, name: str, content: Any) -> None:
        try:
            self._partitions.put(name, self._opened(StoredPartition.from_json(content)))
        except (DamagedIndexError, KeyError, TypeError, AttributeError) as error:
            self.problems.append(f"partition {name}: {error}")

    def _opened(self, stored: StoredPartition) -> Partition:
        return Partition.load(self._directory, stored, dim=self._dim, config=self._config)

    def _no_partitions(self) -> PartitionCache:
        return PartitionCache(self._opened, self._config.cache_bytes)

    def _delete_unnamed(self, kept: Iterable[StoredPartition]) -> None:
        named = {FILE_NAME, *(file.name for stored in kept for file in stored.files)}
        for path in self._directory.iterdir():
            if path.name not in named:
                with suppress(OSError):
                    path.unlink()


class PartitionCache:
    """Partitions by name, each either open or known only by its files.

    A partition with unsaved changes stays open until it is stored. The others are closed, the least recently used
    first, while the files of all open partitions together exceed the limit; the last one used always stays open.
    Several threads may use the cache at the same time.
    """

    def __init__(self, load: Callable[[StoredPartition], Partition], limit_bytes: int | None) -> None:
        self._load = load
        self._limit_bytes = limit_bytes
        self._lock = Lock()
        self._open: dict[str, Partition] = {}
        self._closed: dict[str, StoredPartition] = {}

    def __contains__(self, name: object) -> bool:
        with self._lock:
            return name in self._open or name in self._closed

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(sorted([*self._open, *self._closed]))

    def __getitem__(self, name: str) -> Partition:
        """Return the partition, opening it if it is closed.

        Raises:
            KeyError: there is no partition of this name.
            DamagedIndexError: its files cannot be read, perhaps because a writer has replaced them in the meantime.
        """
        with self._lock:
            partition = self._open.pop(name, None) or self._load(self._closed[name])
            self._closed.pop(name, None)
            self._open[name] = partition
            self._close_oldest()
            return partition

    def count(self, name: str) -> int:
        """Return the number of rows, without opening the partition."""
        with self._lock:
            return self._closed[name].count if name in self._closed else len(self._open[name].index)

    def stored(self, name: str) -> StoredPartition | None:
        """Return the files, without opening the partition; None if it has unsaved changes."""
        with self._lock:
            return self._closed[name] if name in self._closed else self._open[name].stored

    def put(self, name: str, partition: Partition) -> Partition:
        """Add an open partition and return it."""
        with self._lock:
            self._open[name] = partition
            self._close_oldest()
            return partition

    def _close_oldest(self) -> None:
        if self._limit_bytes is None:
            return
        *older, _ = self._open.items()
        unchanged = [(name, partition.stored) for name, partition in older if partition.stored]
        total = sum(partition.stored.size_bytes for partition in self._open.values() if partition.stored)
        for name, stored in unchanged:
            if total <= self._limit_bytes:
                return
            del self._open[name]
            self._closed[name] = stored
            total -= stored.size_bytes
