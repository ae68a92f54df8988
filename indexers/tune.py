"""Measured recall against effort: how many cells to read, how far to walk a graph, for a wanted recall.

The queries are rows of the partition, each without itself among the results. The curve is measured for the top 10,
100 and 1,000, because a filter that lets one row in ten pass turns the best 10 allowed ones into some of the best 100:
`Tuning.effort_for` asks for the depth that a search really has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from indexers.engine import Embeddings

QUERIES = 512
CERTAINTY = 1.645
"""Standard errors below the measured mean that recall is taken to be: in 19 of 20 cases it is higher."""
DEPTHS = (10, 100, 1000)
GROWTH_TO_RETUNE = 1.5

ROUNDING = 1e-9
SCORE_TOLERANCE = 1e-5
"""Scores nearer than this count as equal, so that of several copies of an item any may be found."""

Search = Callable[[int, int], Embeddings]
"""(k, effort) to the (Q, K) scores that were found for the held-out queries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """A measured curve.

    Attributes:
        target_recall: what `effort_for` aims at.
        rows: N when it was measured.
        efforts: E efforts, rising.
        depths: numbers of results that recall was measured for.
        recalls: for each depth, E values that the true recall exceeds with 95 % certainty.
        query_ms: for each effort, milliseconds a query at the smallest depth, in a batch.
    """

    target_recall: float
    rows: int
    efforts: tuple[int, ...]
    depths: tuple[int, ...]
    recalls: tuple[tuple[float, ...], ...]
    query_ms: tuple[float, ...]

    def effort_for(self, depth: float) -> int:
        """The smallest effort that reaches the target for the best `depth` results; the largest where none does."""
        return _effort_for(self, depth)

    def is_outgrown(self, rows: int) -> bool:
        """Whether the partition has grown by half since."""
        return rows >= GROWTH_TO_RETUNE * self.rows


@lru_cache(maxsize=256)
def _effort_for(tuning: Tuning, depth: float) -> int:
    efforts = []
    for recalls in tuning.recalls:
        enough = [
            effort for effort, found in zip(tuning.efforts, recalls, strict=True) if found >= tuning.target_recall
        ]
        efforts.append(enough[0] if enough else tuning.efforts[-1])
    between = np.interp(np.log(depth), np.log(tuning.depths), np.log(efforts))
    return int(np.ceil(np.exp(between) - ROUNDING))


def tune(search: Search, efforts: Sequence[int], truth: Embeddings, *, target_recall: float, rows: int) -> Tuning:
    """Measure one effort after another until all depths reach the target.

    Args:
        search: what to measure.
        efforts: rising.
        truth: (Q, M) scores of the exact best, in order; M limits the depths.
        target_recall: what to reach.
        rows: N.
    """
    depths = [depth for depth in DEPTHS if depth <= truth.shape[1]] or [truth.shape[1]]
    recalls: list[list[float]] = []
    times = []
    for effort in efforts:
        start = perf_counter()
        found = [search(depths[0], effort)]
        times.append(1e3 * (perf_counter() - start) / len(truth))
        found += [search(depth, effort) for depth in depths[1:]]
        recalls.append([sure_recall(part, truth[:, :depth]) for part, depth in zip(found, depths, strict=True)])
        if min(recalls[-1]) >= target_recall:
            break
    return Tuning(
        target_recall=target_recall,
        rows=rows,
        efforts=tuple(efforts[: len(times)]),
        depths=tuple(depths),
        recalls=tuple(zip(*recalls, strict=True)),
        query_ms=tuple(round(time, 4) for time in times),
    )


def recalls_of(found: Embeddings, truth: Embeddings) -> NDArray[np.float64]:
    """(Q,) share of the best K that was found: results of a (Q, K) list that score no less than the K-th best."""
    recalls: NDArray[np.float64] = (found >= truth[:, -1:] - SCORE_TOLERANCE).mean(axis=1)
    return recalls


def sure_recall(found: Embeddings, truth: Embeddings) -> float:
    """What the recall on other queries exceeds with 95 % certainty, judging by these."""
    recalls = recalls_of(found, truth)
    return float(recalls.mean() - CERTAINTY * recalls.std() / np.sqrt(len(recalls)))
