"""Part 3: compare exact search on the GPU with the CPU, and with the GPU index of Faiss called directly."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.engine import faiss
from indexers.faiss_index import FaissIndex
from indexers.gpu import GpuIndex, GpuOptions, gpu_count, place
from tools.gpu_check.hardware import loaded_libraries

BLOCK_ROWS = 16_384
BATCHES = (1, 64)
FEWEST_SAME_IDS = 0.99
"""Equal or nearly equal scores may change places in float16, as in tests/test_indexers_gpu.py."""

Embeddings = NDArray[np.float32]
Search = Callable[[Embeddings, int], tuple[Embeddings, NDArray[np.int64]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """The size of the search.

    Attributes:
        rows: number of rows.
        dim: length of a row.
        k: results for each query.
        gpu_repeats: number of timed searches on the GPU, whose median is reported.
        cpu_repeats: number of timed searches on the CPU.
    """

    rows: int = 1_000_000
    dim: int = 1536
    k: int = 10
    gpu_repeats: int = 50
    cpu_repeats: int = 3


SMALL = Sizes(rows=20_000, dim=64, gpu_repeats=3)


def measure(*, is_small: bool) -> dict[str, Any]:
    """Compare ids, scores and times of the three ways to search the same rows.

    Args:
        is_small: search few rows, and let a Faiss index on the CPU stand in for the GPU.
    """
    sizes = SMALL if is_small else Sizes()
    if not is_small and not gpu_count():
        return {"not run": f"Faiss {faiss.__version__} sees no GPU"}
    rows = random_unit_rows(sizes.rows, sizes.dim)
    queries = random_unit_rows(max(BATCHES), sizes.dim, first_seed=1_000_000)
    cpu = FaissIndex(sizes.dim)
    cpu.add(np.arange(sizes.rows) * 3, rows)
    started = time.perf_counter()
    placed = place(cpu, GpuOptions(devices=(0,)), _stand_in if is_small else None)
    place_s = time.perf_counter() - started
    direct = _stand_in(sizes.dim, 0) if is_small else _direct(sizes.dim)
    for start in range(0, sizes.rows, BLOCK_ROWS):
        direct.add(rows[start : start + BLOCK_ROWS])
    ways: dict[str, Search] = {"cpu": cpu.search, "gpu": placed.search, "faiss_gpu_directly": direct.search}
    same = _same_results(ways, queries, sizes.k)
    return {
        "passed": isinstance(placed, GpuIndex) and same["same_ids"] >= FEWEST_SAME_IDS,
        "sizes": asdict(sizes),
        "place_s": round(place_s, 2),
        "libraries": loaded_libraries(),
        "cpu_threads": faiss.omp_get_max_threads(),
        **same,
        **{f"batch_{batch}_ms": _times(ways, queries[:batch], sizes) for batch in BATCHES},
    }


def random_unit_rows(count: int, dim: int, first_seed: int = 0) -> Embeddings:
    """Draw rows of unit length that float16 holds exactly, so that CPU (float32) and GPU (float16) agree.

    Args:
        count: the number of rows.
        dim: their length.
        first_seed: seed of the first block of rows; each further block has the next one.
    """
    rows = np.empty((count, dim), np.float32)

    def draw(number: int) -> None:
        block = rows[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS]
        np.random.default_rng(first_seed + number).standard_normal(dtype=np.float32, out=block)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        block[:] = block.astype(np.float16)

    with ThreadPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(draw, range(-(-count // BLOCK_ROWS))))
    return rows


def _same_results(ways: dict[str, Search], queries: Embeddings, k: int) -> dict[str, Any]:
    found = {name: search(queries, k) for name, search in ways.items()}
    scores, ids = found["gpu"]
    return {
        "same_ids": float((ids == found["cpu"][1]).mean()),
        "same_ids_as_faiss_gpu_directly": float((ids == found["faiss_gpu_directly"][1] * 3).mean()),
        "largest_score_difference": float(np.abs(scores - found["cpu"][0]).max()),
    }


def _times(ways: dict[str, Search], queries: Embeddings, sizes: Sizes) -> dict[str, float]:
    """Return the median milliseconds of one search by each way; the ways are timed in turn."""
    repeats = {name: sizes.cpu_repeats if name == "cpu" else sizes.gpu_repeats for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(max(repeats.values())):
        for name, search in ways.items():
            if turn < repeats[name]:
                started = time.perf_counter()
                search(queries, sizes.k)
                times[name].append(1e3 * (time.perf_counter() - started))
    return {name: round(statistics.median(own), 3) for name, own in times.items()}


def _stand_in(dim: int, device: int) -> Any:
    del device
    return faiss.IndexFlatIP(dim)


def _direct(dim: int) -> Any:
    config = faiss.GpuIndexFlatConfig()
    config.useFloat16 = True
    return faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), dim, config)
