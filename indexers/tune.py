"""Recall measured for values of a search parameter (`nprobe`, `efSearch`), to choose the value for a target recall.

The queries are rows of the partition, each without itself among the results. The curve is measured for the top 10,
100 and 1,000: where a filter lets one row in ten pass, the best 10 allowed rows lie among the best 100 of all, so
`Tuning.parameter_for` is called with that effective depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Scores

QUERIES = 256
CERTAINTY = 1.645
"""Recall is taken to be this many standard errors below the measured mean; in 19 of 20 cases it is higher."""
DEPTHS = (10, 100, 1000)
STRIDES = (1, 4, 8)
"""At each depth one query in this many is measured; longer lists have more results to count."""
GROWTH_TO_RETUNE = 1.5

ROUNDING = 1e-9
SCORE_TOLERANCE = 1e-5
"""Scores closer than this count as equal, so that any of several copies of an item may be found."""

Search = Callable[[int, int, int], Scores]
"""(k, parameter, stride) -> the (Q / stride, K) scores found for every `stride`-th held-out query."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A measured curve of recall by search parameter.

    Attributes:
        target_recall: the recall that `parameter_for` aims at.
        rows: N when the curve was measured.
        search_parameters: the P values measured, ascending.
        depths: numbers of results that recall was measured for.
        recalls: for each depth, P values that the true recall exceeds with 95 % confidence. A depth that has reached
            the target is not measured for higher values, where it keeps its recall.
        query_ms: for each value, milliseconds per query and depth, in a batch.
    """

    target_recall: float
    rows: int
    search_parameters: tuple[int, ...]
    depths: tuple[int, ...]
    recalls: tuple[tuple[float, ...], ...]
    query_ms: tuple[float, ...]

    def parameter_for(self, depth: float) -> int:
        """Return the smallest value that reaches the target for the best `depth` results; the largest if none does."""
        if depth <= self.depths[0]:
            return self._least
        return _whole(np.exp(np.interp(np.log(depth), np.log(self.depths), np.log(self._enough))))

    def is_outgrown(self, rows: int) -> bool:
        """Return whether the partition has grown by half since the measurement."""
        return rows >= GROWTH_TO_RETUNE * self.rows

    @cached_property
    def _least(self) -> int:
        return _whole(self._enough[0])

    @cached_property
    def _enough(self) -> tuple[float, ...]:
        """For each depth, the value at which the curve crosses the target."""
        return tuple(self._crossing(recalls) for recalls in self.recalls)

    def _crossing(self, recalls: Sequence[float]) -> float:
        """Interpolate in the logarithm of the value.

        Between two measured values recall rises at least as fast as with the logarithm, so the result is large enough.
        """
        first = next((number for number, found in enumerate(recalls) if found >= self.target_recall), len(recalls))
        if first == len(recalls):
            return self.search_parameters[-1]
        around = slice(max(0, first - 1), first + 1)
        return float(np.exp(np.interp(self.target_recall, recalls[around], np.log(self.search_parameters[around]))))


def tune(search: Search, parameters: Sequence[int], truth: Scores, *, target_recall: float, rows: int) -> Tuning:
    """Measure one value of the search parameter after another until all depths reach the target.

    Args:
        search: the search to measure.
        parameters: values to try, ascending.
        truth: (Q, M) scores of the exact best results, in order; M limits the depths.
        target_recall: the recall to reach.
        rows: N.
    """
    depths = [depth for depth in DEPTHS if depth <= truth.shape[1]] or [truth.shape[1]]
    recalls: list[list[float]] = []
    times = []
    for parameter in parameters:
        start, asked = perf_counter(), 0
        reached = list(recalls[-1]) if recalls else [0.0] * len(depths)
        for number, (depth, stride) in enumerate(zip(depths, STRIDES, strict=False)):
            if reached[number] < target_recall:
                expected = truth[::stride, :depth]
                reached[number] = sure_recall(search(depth, parameter, stride), expected)
                asked += len(expected)
        times.append(1e3 * (perf_counter() - start) / asked)
        recalls.append(reached)
        if min(reached) >= target_recall:
            break
    return Tuning(
        target_recall=target_recall,
        rows=rows,
        search_parameters=tuple(parameters[: len(times)]),
        depths=tuple(depths),
        recalls=tuple(zip(*recalls, strict=True)),
        query_ms=tuple(round(time, 4) for time in times),
    )


def _whole(parameter: float) -> int:
    return int(np.ceil(parameter - ROUNDING))


def recalls_of(found: Scores, truth: Scores) -> NDArray[np.float64]:
    """Return (Q,) recalls: the share of each (Q, K) list that scores no less than the K-th best of the truth."""
    recalls: NDArray[np.float64] = (found >= truth[:, -1:] - SCORE_TOLERANCE).mean(axis=1)
    return recalls


def sure_recall(found: Scores, truth: Scores) -> float:
    """Return what the recall on other queries exceeds with 95 % confidence, estimated from these."""
    recalls = recalls_of(found, truth)
    return float(recalls.mean() - CERTAINTY * recalls.std() / np.sqrt(len(recalls)))
