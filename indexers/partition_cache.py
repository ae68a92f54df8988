"""`PartitionCache`: the partitions of an index by name; closes the least recently used ones to stay within a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

from indexers.manifest import StoredPartition
from indexers.partition_store import Partition


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

    def open_names(self) -> list[str]:
        """Return the names of the open partitions, the least recently used first."""
        return list(self._open)

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
