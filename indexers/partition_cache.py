"""`PartitionCache`: the partitions of an index by name, of which no more stay open than a budget allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

from indexers.manifest import StoredPartition
from indexers.partition_store import Partition


class PartitionCache:
    """Partitions, open or known only as files.

    A partition that has changed stays open until it is stored. Of the others the least recently used are closed once
    the files of the open ones are larger together than the budget; the last used one always stays. Several threads may
    use it at a time.
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
        """The partition, opened if need be.

        Raises:
            KeyError: there is none of this name.
            DamagedIndexError: its files cannot be read, perhaps because a writer has replaced them meanwhile.
        """
        with self._lock:
            partition = self._open.pop(name, None) or self._load(self._closed[name])
            self._closed.pop(name, None)
            self._open[name] = partition
            self._close_oldest()
            return partition

    def count(self, name: str) -> int:
        """Number of rows, without opening."""
        with self._lock:
            return self._closed[name].count if name in self._closed else len(self._open[name].index)

    def stored(self, name: str) -> StoredPartition | None:
        """The files, without opening; None where they do not tell the whole."""
        with self._lock:
            return self._closed[name] if name in self._closed else self._open[name].stored

    def open_names(self) -> list[str]:
        """What is open, the least recently used first."""
        return list(self._open)

    def put(self, name: str, partition: Partition) -> Partition:
        """Take in a partition."""
        with self._lock:
            self._open[name] = partition
            self._close_oldest()
            return partition

    def _close_oldest(self) -> None:
        if self._limit_bytes is None:
            return
        *older, _ = self._open.items()
        clean = [(name, partition.stored) for name, partition in older if partition.stored]
        total = sum(partition.stored.size_bytes for partition in self._open.values() if partition.stored)
        for name, stored in clean:
            if total <= self._limit_bytes:
                return
            del self._open[name]
            self._closed[name] = stored
            total -= stored.size_bytes
