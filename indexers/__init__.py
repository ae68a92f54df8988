"""Vector indexes on Faiss: arrays and partition names in, ids and scores out; no media and no encoders.

`PartitionedIndex` stores named partitions in a folder, `FaissIndex` is one of them in memory, `merge` makes one ranked
list of the results of several. Names are imported when they are first used, so that `import indexers` does not load
Faiss. Only what is listed in `__all__` is public; every other module and name may change without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexers.lazy import lazy_names

if TYPE_CHECKING:
    from indexers.arrays import NO_ID, Embeddings, Ids, Mask, Scores
    from indexers.calibration import Merged, RankedList, calibrate, merge
    from indexers.errors import (
        DamagedIndexError,
        DimensionError,
        FaissMissingError,
        IndexerError,
        UnknownSpecError,
    )
    from indexers.faiss_index import FaissIndex
    from indexers.gpu import GpuIndex, GpuOptions, gpu_count, place
    from indexers.interop import read_embeddings, read_faiss, write_faiss, write_infos
    from indexers.partitioned import PartitionedIndex
    from indexers.spec import IndexConfig
    from indexers.unit import unit_rows

__all__ = [
    "NO_ID",
    "DamagedIndexError",
    "DimensionError",
    "Embeddings",
    "FaissIndex",
    "FaissMissingError",
    "GpuIndex",
    "GpuOptions",
    "Ids",
    "IndexConfig",
    "IndexerError",
    "Mask",
    "Merged",
    "PartitionedIndex",
    "RankedList",
    "Scores",
    "UnknownSpecError",
    "calibrate",
    "gpu_count",
    "merge",
    "place",
    "read_embeddings",
    "read_faiss",
    "unit_rows",
    "write_faiss",
    "write_infos",
]

_HOMES = {
    "indexers.arrays": ("NO_ID", "Embeddings", "Ids", "Mask", "Scores"),
    "indexers.calibration": ("Merged", "RankedList", "calibrate", "merge"),
    "indexers.errors": (
        "DamagedIndexError",
        "DimensionError",
        "FaissMissingError",
        "IndexerError",
        "UnknownSpecError",
    ),
    "indexers.faiss_index": ("FaissIndex",),
    "indexers.gpu": ("GpuIndex", "GpuOptions", "gpu_count", "place"),
    "indexers.interop": ("read_embeddings", "read_faiss", "write_faiss", "write_infos"),
    "indexers.partitioned": ("PartitionedIndex",),
    "indexers.spec": ("IndexConfig",),
    "indexers.unit": ("unit_rows",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
