"""Synchronising the Faiss partitions, which are a cache, with the catalog, which is the record.

Ids are never reused and the vector of an id never changes, so comparing sets of ids is sufficient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexers.partitioned import PartitionedIndex
from unite_search.storage.catalog import Catalog

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IDS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """(n,) ids to remove from a partition, or to add to it with their (n, D) embeddings."""

    name: str
    ids: NDArray[np.int64]
    embeddings: NDArray[np.float32] | None = None


def sync(partitions: PartitionedIndex, catalog: Catalog) -> int:
    """Add missing items to the partitions and remove deleted ones; return the number of changes."""
    return apply(partitions, steps(partitions, catalog))


def steps(partitions: PartitionedIndex, catalog: Catalog) -> Iterator[Step]:
    """Yield the steps of `sync`; embeddings are read from the catalog as the steps are taken."""
    wanted = catalog.ids_by_partition()
    for name in partitions.names():
        gone = np.setdiff1d(partitions.ids(name), wanted.get(name, NO_IDS))
        if len(gone):
            yield Step(name, gone)
    for name, ids in wanted.items():
        missing = np.setdiff1d(ids, partitions.ids(name))
        for found, embeddings in catalog.embeddings(missing):
            yield Step(name, found, embeddings)


def apply(partitions: PartitionedIndex, todo: Iterable[Step]) -> int:
    """Apply steps; return the number of ids added or removed."""
    changed = 0
    for step in todo:
        changed += len(step.ids)
        if step.embeddings is None:
            partitions.remove(step.ids)
        else:
            partitions.add(step.name, step.ids, step.embeddings)
    return changed
