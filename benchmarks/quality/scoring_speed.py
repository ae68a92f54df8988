"""Measure the time from cached embeddings to all metrics, at the size of WebVid-CoVR's test set, and peak memory."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets.dataset import Dataset, Entry, Question
from benchmarks.quality.embedding_cache import EmbeddingCache
from benchmarks.quality.metrics import BLOCK_BYTES, Judged, rank
from benchmarks.quality.protocol import presets
from benchmarks.quality.ranking import rank_all
from benchmarks.quality.scoring import score, summarise
from indexers.unit import unit_rows

QUERIES = 2556
DIM = 1536
"""Length of the embeddings of UNITE-2B."""
REPEATS = 5
LARGER = (2_000, 8_000, 32_000)
"""Numbers of queries in the measurement of memory, against `QUERIES` candidates."""


def run() -> dict[str, Any]:
    """Time reading the cache and all following steps, and measure the peak memory of ranking."""
    rng = np.random.default_rng(0)
    dataset = _dataset()
    names = [f"candidate {one.id}" for one in dataset.gallery] + [f"query {one.id}" for one in dataset.questions]
    rows = rng.normal(size=(len(names), DIM))
    with tempfile.TemporaryDirectory() as temporary, EmbeddingCache(Path(temporary) / "cache.sqlite") as cache:
        cache.add(dict(zip(names, unit_rows(rows), strict=True)))
        seconds = [_seconds(dataset, cache, names) for _ in range(REPEATS)]
    return {
        "queries": QUERIES,
        "candidates": QUERIES,
        "dim": DIM,
        "median_wall_s": round(statistics.median(wall for wall, _ in seconds), 3),
        "median_cpu_s": round(statistics.median(cpu for _, cpu in seconds), 3),
        "least_wall_s": round(min(wall for wall, _ in seconds), 3),
        "load": os.getloadavg()[0],
        "block_mb": BLOCK_BYTES >> 20,
        "peak_mb_by_queries": {str(count): _peak_mb(count) for count in LARGER},
    }


def _dataset() -> Dataset:
    gallery = tuple(Entry(id=f"t{number}") for number in range(QUERIES))
    questions = tuple(
        Question(id=str(number), relevant={f"t{number}": 1.0}, reference=f"t{(number + 1) % QUERIES}")
        for number in range(QUERIES)
    )
    return Dataset(name="webvid-covr", questions=questions, gallery=gallery)


def _seconds(dataset: Dataset, cache: EmbeddingCache, names: list[str]) -> tuple[float, float]:
    """Return wall time, and CPU time over all threads."""
    protocol = presets("webvid-covr")["unite"]
    start, cpu_start = time.perf_counter(), time.process_time()
    summarise(score(rank_all(dataset, protocol, cache.get(names)), protocol), protocol)
    return time.perf_counter() - start, time.process_time() - cpu_start


def _peak_mb(count: int) -> float:
    """Return the peak memory that ranking allocates, without the embeddings."""
    rng = np.random.default_rng(1)
    queries, candidates = (rng.normal(size=(rows, 64)).astype(np.float32) for rows in (count, QUERIES))
    judged = Judged(relevant=np.array([0]), excluded=np.array([1]))
    tracemalloc.start()
    for _ in rank(queries, candidates, [judged] * count, depth=50):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / (1 << 20), 1)
