"""Measured recall against effort: how many cells to read, how far to walk a graph, for a wanted recall.

The queries are rows of the partition, each without itself among the results. The curve is measured for the top 10,
100 and 1,000, because a filter that lets one row in ten pass turns the best 10 allowed ones into some of the best 100:
`Tuning.effort_for` asks for the depth that a search really has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from indexers.engine import Embeddings

QUERIES = 256
CERTAINTY = 1.645
"""Standard errors below the measured mean that recall is taken to be: in 19 of 20 cases it is higher."""
DEPTHS = (10, 100, 1000)
STRIDES = (1, 4, 8)
"""Of the queries, one in so many is asked at each depth; longer lists have more to count."""
GROWTH_TO_RETUNE = 1.5

ROUNDING = 1e-9
SCORE_TOLERANCE = 1e-5
"""Scores nearer than this count as equal, so that of several copies of an item any may be found."""

Search = Callable[[int, int, int], Embeddings]
"""(k, effort, stride) to the (Q / stride, K) scores that were found for one in `stride` of the held-out queries."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A measured curve.

    Attributes:
        target_recall: what `effort_for` aims at.
        rows: N when it was measured.
        efforts: E efforts, rising.
        depths: numbers of results that recall was measured for.
        recalls: for each depth, E values that the true recall exceeds with 95 % certainty. A depth that has reached
            the target is not measured at higher efforts, where it keeps its value.
        query_ms: for each effort, milliseconds a query and depth, in a batch.
    """

    target_recall: float
    rows: int
    efforts: tuple[int, ...]
    depths: tuple[int, ...]
    recalls: tuple[tuple[float, ...], ...]
    query_ms: tuple[float, ...]

    def effort_for(self, depth: float) -> int:
        """The smallest effort that reaches the target for the best `depth` results; the largest where none does."""
        if depth <= self.depths[0]:
            return self._least
        return _whole(np.exp(np.interp(np.log(depth), np.log(self.depths), np.log(self._enough))))

    def is_outgrown(self, rows: int) -> bool:
        """Whether the partition has grown by half since."""
        return rows >= GROWTH_TO_RETUNE * self.rows

    @cached_property
    def _least(self) -> int:
        return _whole(self._enough[0])

    @cached_property
    def _enough(self) -> tuple[float, ...]:
        """For each depth, the effort at which the curve crosses the target."""
        return tuple(self._crossing(recalls) for recalls in self.recalls)

    def _crossing(self, recalls: Sequence[float]) -> float:
        """Between two measured efforts recall rises no slower than with the logarithm, so this is enough."""
        first = next((number for number, found in enumerate(recalls) if found >= self.target_recall), len(recalls))
        if first == len(recalls):
            return self.efforts[-1]
        around = slice(max(0, first - 1), first + 1)
        return float(np.exp(np.interp(self.target_recall, recalls[around], np.log(self.efforts[around]))))


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
        start, asked = perf_counter(), 0
        reached = list(recalls[-1]) if recalls else [0.0] * len(depths)
        for number, (depth, stride) in enumerate(zip(depths, STRIDES, strict=False)):
            if reached[number] < target_recall:
                expected = truth[::stride, :depth]
                reached[number] = sure_recall(search(depth, effort, stride), expected)
                asked += len(expected)
        times.append(1e3 * (perf_counter() - start) / asked)
        recalls.append(reached)
        if min(reached) >= target_recall:
            break
    return Tuning(
        target_recall=target_recall,
        rows=rows,
        efforts=tuple(efforts[: len(times)]),
        depths=tuple(depths),
        recalls=tuple(zip(*recalls, strict=True)),
        query_ms=tuple(round(time, 4) for time in times),
    )


def _whole(effort: float) -> int:
    return int(np.ceil(effort - ROUNDING))


def recalls_of(found: Embeddings, truth: Embeddings) -> NDArray[np.float64]:
    """(Q,) share of the best K that was found: results of a (Q, K) list that score no less than the K-th best."""
    recalls: NDArray[np.float64] = (found >= truth[:, -1:] - SCORE_TOLERANCE).mean(axis=1)
    return recalls


def sure_recall(found: Embeddings, truth: Embeddings) -> float:
    """What the recall on other queries exceeds with 95 % certainty, judging by these."""
    recalls = recalls_of(found, truth)
    return float(recalls.mean() - CERTAINTY * recalls.std() / np.sqrt(len(recalls)))
