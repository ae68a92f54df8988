"""Synchronising the Faiss partitions, which are a cache, with the catalog, which is the record; and verifying both.

Ids are never reused and the vector of an id never changes, so comparing sets of ids is sufficient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from indexers.memory import give_back_memory
from indexers.partitioned import PartitionedIndex
from unite_search.storage.catalog import Catalog
from unite_search.storage.vectors import UNIT_TOLERANCE

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


def fill(partitions: PartitionedIndex, catalog: Catalog) -> int:
    """Build the large ones of the partitions that hold nothing yet, in bounded memory, and return the number of rows.

    This writes files, so it needs the write lock; `save` must follow.
    """
    filled = 0
    for name, ids in catalog.ids_by_partition().items():
        if partitions.is_large(len(ids)) and not partitions.count(name):
            pa.default_memory_pool().release_unused()
            give_back_memory()
            partitions.fill(name, catalog.embeddings(np.sort(ids)), count=len(ids))
            filled += len(ids)
    return filled


def steps(partitions: PartitionedIndex, catalog: Catalog) -> Iterator[Step]:
    """Yield the steps of `sync`; embeddings are read from the catalog as the steps are taken."""
    wanted = catalog.ids_by_partition()
    known = np.concatenate([NO_IDS, *wanted.values()])
    for name in partitions.names():
        gone = np.setdiff1d(partitions.ids(name), known)
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


def find_problems(catalog: Catalog, partitions: PartitionedIndex) -> list[str]:
    """Read everything; return one line for each problem."""
    return [*_catalog_problems(catalog), *_partition_problems(catalog, partitions)]


def _catalog_problems(catalog: Catalog) -> Iterator[str]:
    ids = np.concatenate([NO_IDS, *catalog.ids_by_partition().values()])
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        yield f"catalog: {repeated} ids stand more than once"
    owners = Counter(uri for uri, _ in catalog.files())
    for uri, count in owners.items():
        if count > 1:
            yield f"catalog: {uri} is indexed {count} times"
    off = sum(
        int((~(np.abs(np.linalg.norm(embeddings, axis=1) - 1) <= UNIT_TOLERANCE)).sum())
        for _, embeddings in catalog.embeddings(np.sort(ids))
    )
    if off:
        yield f"catalog: {off} vectors are not of unit length"


def _partition_problems(catalog: Catalog, partitions: PartitionedIndex) -> Iterator[str]:
    wanted = catalog.ids_by_partition()
    for name in sorted({*wanted, *partitions.names()}):
        held, expected = partitions.ids(name), wanted.get(name, NO_IDS)
        for count, what in (
            (len(np.setdiff1d(expected, held)), "lacks {} items of the catalog"),
            (len(np.setdiff1d(held, expected)), "holds {} items that the catalog does not"),
        ):
            if count:
                yield f"partition {name}: {what.format(count)}"
        for found, embeddings in catalog.embeddings(np.intersect1d(expected, held)):
            if not np.array_equal(partitions.reconstruct(name, found), embeddings):
                yield f"partition {name}: vectors differ from the catalog"
                break
