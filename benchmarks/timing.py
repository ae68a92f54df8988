"""Fair times on a busy machine: the things compared take turns, and each reports the median of its turns.

Times are CPU times of the process, all its threads together, so what other processes do at the time does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import process_time

import numpy as np

from indexers.engine import faiss, use_blas_for_batches

ROUNDS = 5

Call = Callable[[int], object]
"""Called with 0, 1, 2, ... so that it can ask for something else each time."""


@contextmanager
def faiss_settings(queries: int, dim: int) -> Iterator[None]:
    """What is best for raw Faiss: one thread for a single query, all threads and BLAS for a batch."""
    threads = faiss.omp_get_max_threads()
    use_blas_for_batches(dim)
    faiss.omp_set_num_threads(1 if queries == 1 else threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def in_turns(calls: Mapping[str, Call], *, repeats: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Time some calls against each other.

    Args:
        calls: by name; each runs `repeats` times in a row, then the next has its turn.
        repeats: calls in a turn.
        rounds: turns of each.

    Returns:
        Milliseconds of CPU a call, the median over the turns.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(0)
    for turn in range(rounds):
        for name, call in calls.items():
            start = process_time()
            for repeat in range(repeats):
                call(turn * repeats + repeat)
            times[name].append(1e3 * (process_time() - start) / repeats)
    return {name: float(np.median(turns)) for name, turns in times.items()}


def seconds(call: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = process_time()
    call()
    return process_time() - start
