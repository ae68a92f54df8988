"""Scans for a batch of queries: blocks of rows, decoded to float32 where they are codes, multiplied through BLAS.

Faiss compares codes with one query after the other, so in a batch a query costs it as much as alone; decoding a block
takes as long as comparing it with a few queries. The rows are shared among threads, which never wait for one another,
as those inside one BLAS call do; each reads its part once for all queries. Measured in docs/indexers.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from indexers.engine import (
    BATCH_FROM_QUERIES,
    Embeddings,
    Ids,
    Results,
    best,
    codes_of,
    faiss,
    pieces_for,
    side_by_side,
    use_blas_for_batches,
)

BLOCK_NUMBERS = 1 << 22
"""16 MB decoded: large enough to make Python's share small, small enough for each thread to have its own."""
MOST_RESULTS = 1000
"""More are found by Faiss itself, because each block would have to yield so many."""
FEWEST_ROWS = 10_000
"""A piece of fewer is not worth a thread."""


def pays(queries: Embeddings, k: int) -> bool:
    """Whether scanning in blocks is quicker for (Q, D) queries and `k` results each."""
    return len(queries) >= BATCH_FROM_QUERIES and k <= MOST_RESULTS


def scan(index: Any, queries: Embeddings, k: int) -> Results:
    """Compare queries with all rows and find the `k` best positions for each, best first.

    Args:
        index: Faiss index that keeps rows or their codes in order.
        queries: (Q, D) float32.
        k: K, at most the number of rows.

    Returns:
        (Q, K) scores by the decoded rows and (Q, K) positions.
    """
    use_blas_for_batches(index.d)
    count = pieces_for(index.ntotal, fewest=FEWEST_ROWS)
    spans = list(pairwise(np.linspace(0, index.ntotal, count + 1).astype(int).tolist()))

    def scan_span(span: tuple[int, int]) -> Results:
        scores, places = best_of_blocks(queries, min(k, span[1] - span[0]), _decoded(index, *span))
        return scores, places + span[0]

    found = side_by_side(scan_span, spans)
    if count == 1:
        return found[0]
    return best(np.hstack([scores for scores, _ in found]), np.hstack([places for _, places in found]), k)


def best_of_blocks(queries: Embeddings, k: int, blocks: Iterable[Embeddings]) -> tuple[Embeddings, Ids]:
    """The exact top `k` over rows that come in blocks, at least `k` in all; (Q, K) scores and positions."""
    heap = faiss.ResultHeap(len(queries), k, keep_max=True)
    start = 0
    for block in blocks:
        scores, places = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(scores, places + start)
        start += len(block)
    heap.finalize()
    return heap.D, heap.I


def _decoded(index: Any, start: int, end: int) -> Iterator[Embeddings]:
    """(n, D) float32 blocks, each in the place of the one before; float32 rows are one block as they are."""
    if isinstance(index, faiss.IndexFlat):
        yield codes_of(index)[start:end].view(np.float32)
        return
    rows = max(1, BLOCK_NUMBERS // index.d)
    block = np.empty((rows, index.d), np.float32)
    for first in range(start, end, rows):
        count = min(rows, end - first)
        index.reconstruct_n(first, count, block[:count])
        yield block[:count]
