"""Comparable times on a busy machine: the calls compared take turns, and each reports the median of its turns.

Wall time is what a user waits for, and ratios are ratios of wall times. CPU time of all threads of the process is
reported too: if the two differ for a single thread, other processes took the processor.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from indexers.engine import faiss, use_blas_for_batches

ROUNDS = 5
TURN_MS = 100
"""A turn repeats short calls for about this long."""
MOST_REPEATS = 200

Call = Callable[[int], object]
"""Called with 0, 1, 2, ..., so that each call can use another query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Wall time and CPU time of a call, in milliseconds."""

    wall_ms: float
    cpu_ms: float

    @property
    def wall_s(self) -> float:
        """Wall time in seconds, rounded for a report."""
        return round(self.wall_ms / 1e3, 4)

    @property
    def cpu_s(self) -> float:
        """CPU time in seconds, rounded for a report."""
        return round(self.cpu_ms / 1e3, 4)


@contextmanager
def faiss_settings(*, threads: int, has_blas: bool, dim: int) -> Iterator[None]:
    """Set how many threads Faiss may use and whether batches use BLAS; restore both on leaving."""
    before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(threads)
    if has_blas:
        use_blas_for_batches(dim)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before[0])
        faiss.cvar.distance_compute_blas_threshold = before[1]


def children_cpu_s() -> float:
    """Return the CPU seconds of all child processes that have ended; `os.times` counts them in steps of 10 ms."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cost(call: Callable[[], object]) -> Cost:
    """Measure one call."""
    wall, cpu = perf_counter(), process_time()
    call()
    return Cost(wall_ms=1e3 * (perf_counter() - wall), cpu_ms=1e3 * (process_time() - cpu))


def in_turns(
    calls: Mapping[str, Call], *, rounds: int = ROUNDS, turn_ms: float = TURN_MS, is_warmed_up: bool = True
) -> dict[str, Cost]:
    """Time some calls against each other.

    Args:
        calls: calls by name; each runs for one turn, then the next. The order changes with each round, because one
            call may leave in the processor's cache what the next needs.
        rounds: turns of each call.
        turn_ms: length of a turn, which is at least one call.
        is_warmed_up: make each call once before without timing it; otherwise a turn is one call.

    Returns:
        The cost of one call by name, as the median over its turns.
    """
    repeats = {name: _repeats(call, turn_ms) if is_warmed_up else 1 for name, call in calls.items()}
    turns: dict[str, list[Cost]] = {name: [] for name in calls}
    rng = np.random.default_rng(0)
    for turn in range(rounds):
        for name in rng.permutation(list(calls)).tolist():
            turns[name].append(_turn(calls[name], repeats[name], turn * repeats[name]))
    return {
        name: Cost(
            wall_ms=float(np.median([one.wall_ms for one in costs])),
            cpu_ms=float(np.median([one.cpu_ms for one in costs])),
        )
        for name, costs in turns.items()
    }


def _repeats(call: Call, turn_ms: float) -> int:
    """Return how many calls fill a turn; the first call is a warm-up and does not count."""
    call(0)
    return int(np.clip(turn_ms / cost(lambda: call(1)).wall_ms, 1, MOST_REPEATS))


def _turn(call: Call, repeats: int, first: int) -> Cost:
    def turn() -> None:
        for repeat in range(repeats):
            call(first + repeat)

    whole = cost(turn)
    return Cost(wall_ms=whole.wall_ms / repeats, cpu_ms=whole.cpu_ms / repeats)
