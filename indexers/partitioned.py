"""`PartitionedIndex`: named Faiss indexes in one folder, described by one manifest.

Every save writes what has changed to new files, then replaces the manifest, then deletes what no manifest names any
more. A crash leaves the old state or the new one; a reader that opened before keeps what it has mapped.
The folder is a cache: whatever cannot be read is reported in `problems` and left out, for the owner to fill again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from indexers.approximate import check_spec
from indexers.engine import Embeddings, Ids, Mask
from indexers.errors import DamagedIndexError
from indexers.faiss_index import FaissIndex
from indexers.manifest import FILE_NAME, Manifest, StoredPartition
from indexers.partition_cache import PartitionCache
from indexers.partition_store import Partition
from indexers.spec import IndexConfig

OPEN_ATTEMPTS = 3


class PartitionedIndex:
    """Named partitions of one dimension, made by one encoder (`fingerprint`).

    Attributes:
        problems: what could not be opened, one line each.
        version: version of the owner's data that the stored files cover; None when something is missing.
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
        """An index without partitions; nothing is written before `save`."""
        index = cls(directory, dim=dim, fingerprint=fingerprint, config=config)
        index._generation = Manifest.generation_of(directory)
        return index

    @classmethod
    def open(
        cls, directory: Path, *, dim: int, fingerprint: str, config: IndexConfig | None = None
    ) -> PartitionedIndex:
        """Open a folder. Never fails on damage: see `problems`.

        A writer may replace the files between the reading of the manifest and the opening of what it names; then
        the manifest has changed, and is read again.
        """
        for _ in range(OPEN_ATTEMPTS):
            index = cls(directory, dim=dim, fingerprint=fingerprint, config=config)
            index._read()
            if Manifest.generation_of(directory) == index._generation:
                break
        return index

    def names(self) -> list[str]:
        """The partitions that hold something, sorted."""
        return [name for name in self._partitions if self._partitions.count(name)]

    def ids(self, name: str) -> Ids:
        """(N,) int64 ids of a partition; empty for one that does not exist."""
        return self._partitions[name].index.ids if name in self._partitions else np.empty(0, np.int64)

    def count(self, name: str) -> int:
        """Number of rows of a partition."""
        return self._partitions.count(name) if name in self._partitions else 0

    def partition(self, name: str) -> FaissIndex:
        """The index behind one name, to look at; what is changed there is not stored."""
        return self._partitions[name].index

    def add(self, name: str, ids: Ids, embeddings: Embeddings) -> None:
        """Add rows to a partition, which need not exist yet.

        Args:
            name: of the partition.
            ids: (n,) int64, new to the partition.
            embeddings: (n, D) float32.

        Raises:
            DimensionError: the rows have another length.
        """
        self._for_writing(name).add(ids, embeddings)

    def upsert(self, name: str, ids: Ids, embeddings: Embeddings) -> int:
        """Add rows in place of those with the same ids; returns how many were replaced.

        Raises:
            DimensionError: the rows have another length.
            ValueError: an id is given twice.
        """
        return self._for_writing(name).upsert(ids, embeddings)

    def remove(self, ids: Ids) -> int:
        """Take ids out of whichever partition holds them; returns how many went."""
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
    ) -> dict[str, tuple[Embeddings, Ids]]:
        """Search some partitions.

        Args:
            names: partitions.
            queries: (Q, D) float32.
            k: K, results a query and partition.
            allowed: what may be returned: sorted ids, or booleans that say it of each id from 0 on; None for all.

        Returns:
            For each partition (Q, K) scores and (Q, K) ids, filled up with -inf and -1.
        """
        found = {}
        for name in names:
            partition = self._partitions[name]
            partition.read_ahead(self._directory)
            found[name] = partition.index.search(queries, k, allowed=allowed)
        return found

    def reconstruct(self, name: str, ids: Ids) -> Embeddings:
        """The (n, D) rows of some ids of a partition.

        Raises:
            KeyError: an id is not there.
        """
        return self._partitions[name].index.reconstruct(ids)

    def sample(self, name: str) -> Embeddings:
        """The fixed sample of a partition that `merge` calibrates on, see `Partition.sample`."""
        return self._partitions[name].sample()

    def clear(self) -> None:
        """Let go of every partition in memory; the files stay."""
        self._partitions = self._no_partitions()

    def save(self, *, version: int) -> None:
        """Store the state as of `version` of the owner's data; fold and tune what has changed much."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._generation += 1
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
        """Read every stored file and compare its checksum; returns one line for each that differs."""
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
