"""Faiss itself: import it once, with a message where it is missing, and set it up for each search.

Two of its defaults are slow. Batches do not use BLAS until queries x dim reaches 128,000, which costs a factor of four
to eight; a single query is slower with BLAS, or on two threads, than on one thread without BLAS. Measured in
docs/explanation/index-kinds.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Embeddings, Ids, Results, Scores
from indexers.errors import FaissMissingError
from indexers.extras import how_to_install

try:
    import faiss
except ImportError as error:
    raise FaissMissingError(f"Faiss is not installed; {how_to_install('cpu', 'gpu')}") from error

__all__ = [
    "BATCH_FROM_QUERIES",
    "codes_of",
    "faiss",
    "map_on_threads",
    "piece_count",
    "search",
    "top_k",
    "use_blas_for_batches",
]

Piece = TypeVar("Piece")
Result = TypeVar("Result")

BATCH_FROM_QUERIES = 8
MOST_BLOCK_RESULTS = 1000
"""Faiss itself searches for more results, because each block would have to return as many."""
PIECES_PER_THREAD = 2
"""More pieces than threads, so that a thread that starts late leaves its share to the others."""


def search(index: Any, queries: Embeddings, k: int, parameters: Any = None) -> Results:
    """Search a Faiss index.

    A few queries run on one thread without BLAS. A larger batch is cut into slices that run in parallel, with BLAS.
    The slices do not wait for each other, unlike the threads inside one BLAS call; on a busy machine such waiting takes
    most of their time.

    Args:
        index: any Faiss index.
        queries: (Q, D) float32.
        k: K, results per query.
        parameters: search parameters for Faiss.

    Returns:
        (Q, K) scores and labels.
    """
    count = piece_count(len(queries), fewest=BATCH_FROM_QUERIES)
    use_blas_for_batches(queries.shape[1])

    def search_slice(part: Embeddings) -> Results:
        found: Results = index.search(part, k, params=parameters)
        return found

    if count == 1:
        return _on_one_thread(lambda: search_slice(queries))
    found = map_on_threads(search_slice, np.array_split(queries, count))
    return np.vstack([scores for scores, _ in found]), np.vstack([labels for _, labels in found])


def is_scanned_in_blocks(queries: Embeddings, k: int) -> bool:
    """Return whether `blocks.scan` is faster than Faiss's own scan for (Q, D) queries and `k` results each."""
    return len(queries) >= BATCH_FROM_QUERIES and k <= MOST_BLOCK_RESULTS


def piece_count(count: int, *, fewest: int) -> int:
    """Return into how many pieces of at least `fewest` to cut `count` queries or rows for `map_on_threads`."""
    threads = faiss.omp_get_max_threads()
    return max(1, min(PIECES_PER_THREAD * threads, count // fewest)) if threads > 1 else 1


def map_on_threads(work: Callable[[Piece], Results], pieces: Sequence[Piece]) -> list[Results]:
    """Apply `work` to each piece in parallel; return the results in the order of the pieces.

    Each piece runs on one Faiss thread, and as many pieces run at a time as the caller allows Faiss threads. The caller
    is one of the threads. Each thread takes the next piece when it is free, because on a busy machine the others may
    start late, or only after all the work is done.
    """
    if len(pieces) == 1:
        return [_on_one_thread(lambda: work(pieces[0]))]
    waiting = deque(enumerate(pieces))

    def take() -> dict[int, Results]:
        done = {}
        while waiting:
            try:
                number, piece = waiting.popleft()
            except IndexError:
                break
            done[number] = work(piece)
        return done

    helpers = [_threads().submit(_on_one_thread, take) for _ in range(faiss.omp_get_max_threads() - 1)]
    done = _on_one_thread(take)
    for helper in helpers:
        if not helper.cancel():
            done |= helper.result()
    return [done[number] for number in range(len(pieces))]


def use_blas_for_batches(dim: int) -> None:
    """Make Faiss use BLAS from `BATCH_FROM_QUERIES` queries on.

    The setting belongs to the process and is not restored: it is the same for every search of this `dim`, so that
    searches in several threads do not disturb each other.
    """
    faiss.cvar.distance_compute_blas_threshold = BATCH_FROM_QUERIES * dim


def _on_one_thread(work: Callable[[], Result]) -> Result:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        return work()
    finally:
        faiss.omp_set_num_threads(threads)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="search")


def codes_of(index: Any) -> NDArray[np.uint8]:
    """Return an (N, code size) view of the codes of a Faiss index that stores them contiguously.

    The view is valid as long as the index does not change.
    """
    if not index.ntotal:
        return np.empty((0, index.code_size), np.uint8)
    flat: NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size)
    return flat.reshape(index.ntotal, index.code_size)


def top_k(scores: Scores, labels: Ids, k: int) -> Results:
    """Return the best `k` columns of each row, best first; equal scores keep their order.

    Args:
        scores: (Q, M).
        labels: (Q, M).
        k: K, at most M.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(labels, order, 1)
