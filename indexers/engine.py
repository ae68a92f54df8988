"""Faiss itself: imported once, with a message where it is missing, and set up for each search.

Two of its defaults are slow. Batches stay off BLAS until queries x dim reaches 128,000, a factor of four to eight;
a single query on BLAS, or on two threads, is slower than on one thread without. Measured in docs/indexers.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexers.errors import FaissMissingError

try:
    import faiss
except ImportError as error:
    raise FaissMissingError(
        'Faiss is not installed: pip install "unite-search[cpu]", or "unite-search[gpu]" for NVIDIA GPUs'
    ) from error

Ids = NDArray[np.int64]
Positions = NDArray[np.int64]
Embeddings = NDArray[np.float32]
Mask = NDArray[np.bool_]

__all__ = [
    "BATCH_FROM_QUERIES",
    "NO_ID",
    "Embeddings",
    "Ids",
    "Mask",
    "Positions",
    "Results",
    "best",
    "codes_of",
    "faiss",
    "pieces_for",
    "search",
    "side_by_side",
    "use_blas_for_batches",
]

Results = tuple[Embeddings, NDArray[np.int64]]
"""(Q, K) scores and (Q, K) ids or positions."""
Piece = TypeVar("Piece")
Result = TypeVar("Result")

NO_ID = -1
BATCH_FROM_QUERIES = 8
PIECES_PER_THREAD = 2
"""So that a thread that comes late finds less to do, rather than the others waiting for it."""


def search(index: Any, queries: Embeddings, k: int, parameters: Any = None) -> Results:
    """Search a Faiss index: a few queries on one thread without BLAS; slices of a batch side by side, with BLAS.

    Slices do not wait for one another, as the threads inside one BLAS call do; on a busy machine that costs most of
    their time.

    Args:
        index: any of Faiss.
        queries: (Q, D) float32.
        k: K, results a query.
        parameters: of the search, for Faiss.

    Returns:
        (Q, K) scores and labels.
    """
    count = pieces_for(len(queries), fewest=BATCH_FROM_QUERIES)
    use_blas_for_batches(queries.shape[1])

    def ask(some: Embeddings) -> Results:
        found: Results = index.search(some, k, params=parameters)
        return found

    if count == 1:
        return _on_one_thread(lambda: ask(queries))
    found = side_by_side(ask, np.array_split(queries, count))
    return np.vstack([scores for scores, _ in found]), np.vstack([labels for _, labels in found])


def pieces_for(count: int, *, fewest: int) -> int:
    """Into how many pieces of at least `fewest` to cut `count` queries or rows for `side_by_side`."""
    threads = faiss.omp_get_max_threads()
    return max(1, min(PIECES_PER_THREAD * threads, count // fewest)) if threads > 1 else 1


def side_by_side(work: Callable[[Piece], Results], pieces: Sequence[Piece]) -> list[Results]:
    """Do some work on each piece, each on one Faiss thread, as many at a time as the caller allows Faiss threads.

    The caller is one of the threads, and whoever is ready takes the next piece: on a busy machine others may come late,
    or not before all is done.
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
    """Set from how many queries on Faiss uses BLAS.

    The setting belongs to the process and is not put back: it is the same for every search of this `dim`, so searches
    in several threads do not disturb each other.
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
    """(N, code size) view of the codes of a Faiss index that keeps them in a row; valid while it does not change."""
    if not index.ntotal:
        return np.empty((0, index.code_size), np.uint8)
    flat: NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size)
    return flat.reshape(index.ntotal, index.code_size)


def best(scores: Embeddings, labels: Ids, k: int) -> tuple[Embeddings, Ids]:
    """The best `k` columns of each row, best first; of equal scores the first.

    Args:
        scores: (Q, M).
        labels: (Q, M).
        k: K, at most M.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(labels, order, 1)
