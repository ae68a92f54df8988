"""Bringing the Faiss partitions in step with the catalog: they are a cache, the catalog is the record.

Ids are never reused and the vector of an id never changes, so comparing sets of ids is enough.
"""

from __future__ import annotations

import numpy as np

from indexers.partitioned import PartitionedIndex
from unite_search.catalog import Catalog
from unite_search.modality import Modality


def sync(partitions: PartitionedIndex, catalog: Catalog) -> int:
    """Add the items that the partitions lack and drop those that are gone; returns how many of both."""
    ids, modalities = catalog.ids_and_modalities()
    changed = 0
    for name in partitions.names():
        changed += partitions.remove(np.setdiff1d(partitions.ids(name), ids))
    for code in np.unique(modalities):
        name = Modality(int(code)).partition
        held = partitions.ids(name) if name in partitions.names() else np.empty(0, np.int64)
        missing = np.setdiff1d(ids[modalities == code], held)
        changed += len(missing)
        for found, embeddings in catalog.embeddings(missing):
            partitions.add(name, found, embeddings)
    return changed
