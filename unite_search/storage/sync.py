"""Synchronising the Faiss partitions, which are a cache, with the catalog, which is the record.

Ids are never reused and the vector of an id never changes, so comparing sets of ids is sufficient. A vector that
differs from its checksum in the catalog is not taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from indexers.errors import DimensionError
from indexers.memory import give_back_memory
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


def sync(partitions: PartitionedIndex, catalog: Catalog, damaged: list[int] | None = None) -> int:
    """Add missing items to the partitions and remove deleted ones; return the number of changes, see `steps`."""
    return apply(partitions, steps(partitions, catalog, damaged))


def fill(partitions: PartitionedIndex, catalog: Catalog) -> int:
    """Build the large ones of the partitions that hold nothing yet, in bounded memory, and return the number of rows.

    This writes files, so it needs the write lock; `save` must follow. A partition of which vectors are damaged in the
    catalog is left to `sync`.
    """
    filled = 0
    for name, ids in catalog.ids_by_partition().items():
        if partitions.is_large(len(ids)) and not partitions.count(name):
            pa.default_memory_pool().release_unused()
            give_back_memory()
            with suppress(DimensionError):  # There are fewer rows than ids, because damaged ones are left out.
                partitions.fill(name, catalog.embeddings(np.sort(ids)), count=len(ids))
                filled += len(ids)
    return filled


def steps(partitions: PartitionedIndex, catalog: Catalog, damaged: list[int] | None = None) -> Iterator[Step]:
    """Yield the steps of `sync`; embeddings are read from the catalog as the steps are taken.

    Args:
        partitions: what the steps are for.
        catalog: the record.
        damaged: the ids of missing items whose vectors are damaged in the catalog are appended to it.
    """
    wanted = catalog.ids_by_partition()
    known = np.concatenate([NO_IDS, *wanted.values()])
    for name in partitions.names():
        gone = np.setdiff1d(partitions.ids(name), known)
        if len(gone):
            yield Step(name, gone)
    for name, ids in wanted.items():
        missing = np.setdiff1d(ids, partitions.ids(name))
        sound = [NO_IDS]
        for found, embeddings in catalog.embeddings(missing):
            sound.append(found)
            yield Step(name, found, embeddings)
        if damaged is not None and sum(map(len, sound)) < len(missing):
            damaged += np.setdiff1d(missing, np.concatenate(sound)).tolist()


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
