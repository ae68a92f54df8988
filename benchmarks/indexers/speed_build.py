"""Time to build, tune and store an index with inverted lists, compared with plain Faiss training and adding."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common.timing import faiss_settings, in_turns
from benchmarks.indexers.speed import LARGE_ROWS, Data, at_most
from indexers.approximate import TRAIN_ITERATIONS, TRAIN_ROWS_PER_CELL
from indexers.engine import faiss
from indexers.spec import cells_of

ROUNDS = 1
"""One round takes minutes with a million rows."""
THREADS = faiss.omp_get_max_threads()


def run(data: Data) -> dict[str, Any]:
    """Build the kind with inverted lists, the only one that is trained."""
    with TemporaryDirectory() as folder:
        costs = in_turns(
            {
                "ours": lambda turn: data.build(data.cells, Path(folder) / str(turn)),
                "faiss": lambda _: _faiss(data),
            },
            rounds=ROUNDS,
            is_warmed_up=False,
        )
    ratio = costs["ours"].wall_ms / costs["faiss"].wall_ms
    return {
        "checks": {"time by that of Faiss's training and adding": at_most(1.3, ratio)}
        if len(data.rows) >= LARGE_ROWS
        else {},
        "spec": data.cells,
        "ours_s": costs["ours"].wall_s,
        "ours_cpu_s": costs["ours"].cpu_s,
        "faiss_s": costs["faiss"].wall_s,
        "faiss_cpu_s": costs["faiss"].cpu_s,
        "ratio": round(ratio, 3),
    }


def _faiss(data: Data) -> None:
    """Build the same number of cells from as many rows and iterations, with Faiss's usual int8 codes and BLAS."""
    count, dim = data.rows.shape
    cells = cells_of(data.cells)
    index = faiss.index_factory(dim, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = TRAIN_ITERATIONS
    index.cp.min_points_per_centroid = 1
    wanted = min(count, TRAIN_ROWS_PER_CELL * cells)
    with faiss_settings(threads=THREADS, has_blas=True, dim=dim):
        index.train(data.rows[np.linspace(0, count - 1, wanted).astype(np.int64)])
        index.add(data.rows)
