"""Fair times on a busy machine: the things compared take turns, and each reports the median of its turns.

Wall time is what a user waits for, and what ratios are taken of. CPU time of the process, all its threads together,
stands beside it: where the two differ for a single thread, other processes were in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from indexers.engine import faiss, use_blas_for_batches

ROUNDS = 5
TURN_MS = 100
"""A turn repeats short calls for about so long."""
MOST_REPEATS = 200

Call = Callable[[int], object]
"""Called with 0, 1, 2, ... so that it can ask for something else each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds."""

    wall_ms: float
    cpu_ms: float

    @property
    def wall_s(self) -> float:
        """Seconds, rounded for a report."""
        return round(self.wall_ms / 1e3, 4)

    @property
    def cpu_s(self) -> float:
        """Seconds, rounded for a report."""
        return round(self.cpu_ms / 1e3, 4)


@contextmanager
def faiss_settings(*, threads: int, has_blas: bool, dim: int) -> Iterator[None]:
    """How many threads Faiss may use, and whether batches go through BLAS."""
    before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(threads)
    if has_blas:
        use_blas_for_batches(dim)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before[0])
        faiss.cvar.distance_compute_blas_threshold = before[1]


def cost(call: Callable[[], object]) -> Cost:
    """Of one call."""
    wall, cpu = perf_counter(), process_time()
    call()
    return Cost(wall_ms=1e3 * (perf_counter() - wall), cpu_ms=1e3 * (process_time() - cpu))


def in_turns(
    calls: Mapping[str, Call], *, rounds: int = ROUNDS, turn_ms: float = TURN_MS, is_warmed_up: bool = True
) -> dict[str, Cost]:
    """Time some calls against each other.

    Args:
        calls: by name; each runs for a while, then the next has its turn. The order changes with each round, because
            one may leave in the processor's cache what the next needs.
        rounds: turns of each.
        turn_ms: length of a turn, which is one call at least.
        is_warmed_up: call each first without timing it; otherwise a turn is one call.

    Returns:
        What one call costs, the median over the turns.
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
    """How many calls fill a turn; the first call of all does not count, because it warms up."""
    call(0)
    return int(np.clip(turn_ms / cost(lambda: call(1)).wall_ms, 1, MOST_REPEATS))


def _turn(call: Call, repeats: int, first: int) -> Cost:
    def turn() -> None:
        for repeat in range(repeats):
            call(first + repeat)

    whole = cost(turn)
    return Cost(wall_ms=whole.wall_ms / repeats, cpu_ms=whole.cpu_ms / repeats)
