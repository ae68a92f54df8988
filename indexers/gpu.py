"""Search on one or several GPUs: exactly, in float16, in batches that fit; an index that does not fit stays on the CPU.

A GPU scans a million rows faster than a CPU reads a few inverted lists, so the rows are copied without approximation.
`shard` distributes them over the GPUs, `replicate` gives each GPU all rows and a part of the queries.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from indexers.arrays import NO_ID, Embeddings, Ids, Mask, Scores
from indexers.engine import faiss, top_k
from indexers.faiss_index import FaissIndex
from indexers.flat import BLOCK_ROWS

LARGEST_K = 2048
FLOAT16_BYTES = 2
SCORE_BYTES = 8
"""Bytes of a score and a label in Faiss's temporary tables, which have a column for each row of a tile."""
TILE_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuOptions:
    """Which GPUs to use, and how.

    Attributes:
        devices: numbers of the GPUs; None for all.
        placement: `shard` puts each row on one GPU, `replicate` puts all rows on each.
        memory_bytes: memory that the rows may take on one GPU.
        temporary_bytes: memory that one search may take in addition.
    """

    devices: tuple[int, ...] | None = None
    placement: Literal["shard", "replicate"] = "shard"
    memory_bytes: int = 8 << 30
    temporary_bytes: int = 512 << 20


class GpuIndex:
    """A copy on GPUs of a `FaissIndex` as it was when `place` copied it; later changes to the index are not seen.

    Attributes:
        cpu: the index, which answers what GPUs cannot: filters, and more than 2,048 results.
    """

    def __init__(self, cpu: FaissIndex, parts: Sequence[tuple[Any, Ids]], options: GpuOptions) -> None:
        self.cpu = cpu
        self._parts = parts
        self._options = options

    def search(self, queries: Embeddings, k: int, *, allowed: Ids | Mask | None = None) -> tuple[Scores, Ids]:
        """Search like `FaissIndex.search`, with scores in float16 precision."""
        if allowed is not None or k > LARGEST_K or queries.ndim != 2 or queries.shape[1] != self.cpu.dim:
            return self.cpu.search(queries, k, allowed=allowed)
        queries = np.ascontiguousarray(queries, np.float32)
        batch = max(1, self._options.temporary_bytes // (SCORE_BYTES * TILE_ROWS))
        batches = [queries[start : start + batch] for start in range(0, len(queries), batch)]
        if not batches:
            return self.cpu.search(queries, k)
        found = [self._search_batch(number, part, k) for number, part in enumerate(batches)]
        return np.vstack([scores for scores, _ in found]), np.vstack([ids for _, ids in found])

    def _search_batch(self, number: int, queries: Embeddings, k: int) -> tuple[Scores, Ids]:
        parts = self._parts
        if self._options.placement == "replicate":
            parts = [parts[number % len(parts)]]
        scores = [np.full((len(queries), k), -np.inf, np.float32)]
        ids = [np.full((len(queries), k), NO_ID, np.int64)]
        for index, part_ids in parts:
            part, positions = index.search(queries, min(k, len(part_ids)))
            scores.append(part)
            ids.append(part_ids[positions])
        return top_k(np.hstack(scores), np.hstack(ids), k)


def place(
    index: FaissIndex, options: GpuOptions | None = None, make: Callable[[int, int], Any] | None = None
) -> FaissIndex | GpuIndex:
    """Copy the live rows of an index to GPUs; if that is not possible, warn in one line and return the index itself.

    Args:
        index: the index to copy.
        options: which GPUs to use, and how.
        make: (dim, device) -> an empty inner-product index on the device; by default Faiss's float16 index on a GPU.
    """
    options = options or GpuOptions()
    devices = options.devices if options.devices is not None else tuple(range(gpu_count()))
    if make is None and (not devices or max(devices) >= gpu_count()):
        return _stay(index, f"GPUs {list(devices)} were asked for, Faiss sees {gpu_count()}")
    rows_each = -(-len(index) // len(devices)) if options.placement == "shard" else len(index)
    size = rows_each * index.dim * FLOAT16_BYTES
    if size > options.memory_bytes:
        return _stay(index, f"{size} bytes a GPU are needed, {options.memory_bytes} are allowed")
    ids = index.ids
    if not len(ids):
        return index
    starts = range(0, len(ids), rows_each) if options.placement == "shard" else [0] * len(devices)
    make = make or (lambda dim, device: _on_gpu(dim, device, options))
    parts = []
    for device, start in zip(devices, starts, strict=False):
        part_ids = ids[start : start + rows_each]
        parts.append((_filled(make(index.dim, device), index, part_ids), part_ids))
    return GpuIndex(index, parts, options)


def gpu_count() -> int:
    """Return how many GPUs Faiss can use; 0 for its CPU build."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def _stay(index: FaissIndex, reason: str) -> FaissIndex:
    warnings.warn(f"searching on the CPU: {reason}", RuntimeWarning, stacklevel=3)
    return index


def _filled(placed: Any, index: FaissIndex, ids: Ids) -> Any:
    for start in range(0, len(ids), BLOCK_ROWS):
        placed.add(index.reconstruct(ids[start : start + BLOCK_ROWS]))
    return placed


def _on_gpu(dim: int, device: int, options: GpuOptions) -> Any:
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(options.temporary_bytes)
    config = faiss.GpuIndexFlatConfig()
    config.device = device
    config.useFloat16 = True
    return faiss.GpuIndexFlatIP(resources, dim, config)
