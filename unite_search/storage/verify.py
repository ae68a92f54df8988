"""Verification: the catalog is checked for consistency, and the partitions are compared with the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from indexers.partitioned import PartitionedIndex
from unite_search.storage.catalog import Catalog

UNIT_TOLERANCE = 2e-3


def find_problems(catalog: Catalog, partitions: PartitionedIndex) -> list[str]:
    """Read everything; return one line for each problem."""
    return [*_catalog_problems(catalog), *_partition_problems(catalog, partitions)]


def _catalog_problems(catalog: Catalog) -> Iterator[str]:
    ids = np.concatenate([np.empty(0, np.int64), *catalog.ids_by_partition().values()])
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        yield f"catalog: {repeated} ids stand more than once"
    owners = Counter(uri for uri, _ in catalog.files())
    for uri, count in owners.items():
        if count > 1:
            yield f"catalog: {uri} is indexed {count} times"
    off = sum(
        int((np.abs(np.linalg.norm(embeddings, axis=1) - 1) > UNIT_TOLERANCE).sum())
        for _, embeddings in catalog.embeddings(np.sort(ids))
    )
    if off:
        yield f"catalog: {off} vectors are not of unit length"


def _partition_problems(catalog: Catalog, partitions: PartitionedIndex) -> Iterator[str]:
    wanted = catalog.ids_by_partition()
    for name in sorted({*wanted, *partitions.names()}):
        held = partitions.ids(name) if name in partitions.names() else np.empty(0, np.int64)
        expected = wanted.get(name, np.empty(0, np.int64))
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
