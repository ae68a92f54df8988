"""Scans for a batch of queries: decode rows to float32 in blocks where they are codes, and multiply through BLAS.

Faiss compares codes with one query after the other, so a query costs as much in a batch as alone, while decoding a
block takes only as long as comparing it with a few queries. The rows are divided among threads, each of which reads its
part once for all queries. The threads do not wait for each other, unlike those inside one BLAS call. Measured in
docs/explanation/index-kinds.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from indexers.arrays import Embeddings, Results
from indexers.engine import (
    codes_of,
    faiss,
    map_on_threads,
    piece_count,
    top_k,
    use_blas_for_batches,
)

BLOCK_VALUES = 1 << 22
"""16 MB decoded: large enough that Python's overhead is small, small enough for each thread to have its own."""
FEWEST_ROWS = 10_000
"""A piece of fewer rows is not worth a thread."""


def scan(index: Any, queries: Embeddings, k: int) -> Results:
    """Compare queries with all rows and find the `k` best positions for each, best first.

    Args:
        index: Faiss index that stores rows or their codes contiguously.
        queries: (Q, D) float32.
        k: K, at most the number of rows.

    Returns:
        (Q, K) scores of the decoded rows and (Q, K) positions.
    """
    use_blas_for_batches(index.d)
    count = piece_count(index.ntotal, fewest=FEWEST_ROWS)
    spans = list(pairwise(np.linspace(0, index.ntotal, count + 1).astype(int).tolist()))

    def scan_span(span: tuple[int, int]) -> Results:
        scores, positions = top_k_of_blocks(queries, min(k, span[1] - span[0]), _decoded(index, *span))
        return scores, positions + span[0]

    found = map_on_threads(scan_span, spans)
    if count == 1:
        return found[0]
    return top_k(np.hstack([scores for scores, _ in found]), np.hstack([positions for _, positions in found]), k)


def top_k_of_blocks(queries: Embeddings, k: int, blocks: Iterable[Embeddings]) -> Results:
    """Find the exact top `k` over rows that come in blocks, at least `k` rows in all; (Q, K) scores and positions."""
    heap = faiss.ResultHeap(len(queries), k, keep_max=True)
    start = 0
    for block in blocks:
        scores, positions = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(scores, positions + start)
        start += len(block)
    heap.finalize()
    return heap.D, heap.I


def _decoded(index: Any, start: int, end: int) -> Iterator[Embeddings]:
    """Yield (n, D) float32 blocks, each overwriting the one before; float32 rows are one block and are not copied."""
    if isinstance(index, faiss.IndexFlat):
        yield codes_of(index)[start:end].view(np.float32)
        return
    rows = max(1, BLOCK_VALUES // index.d)
    block = np.empty((rows, index.d), np.float32)
    for first in range(start, end, rows):
        count = min(rows, end - first)
        index.reconstruct_n(first, count, block[:count])
        yield block[:count]
