"""Diversity: order hits so that each is relevant and differs from those before it.

Maximal marginal relevance takes, again and again, the group with the highest

    TRADE_OFF * relevance - (1 - TRADE_OFF) * greatest cosine with a group that was taken before

with the relevance scaled to 0 to 1 among the groups that are reordered. Exact matches stay first and weak hits last.

Source: Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from unite_search.search.grouping import Group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unite_search.search.grouping import VectorsOf

POOL = 200
"""Groups that are reordered; those behind them keep their order, so that all pages show one list."""
TRADE_OFF = 0.5


def diversified(groups: Sequence[Group], vectors_of: VectorsOf) -> list[Group]:
    """Reorder groups that are sorted, best first; `vectors_of` returns the (n, D) vectors of items."""
    pool, rest = groups[:POOL], groups[POOL:]
    ordered: list[Group] = []
    for _, run in groupby(pool, key=lambda group: (group.best.is_exact, group.best.is_weak)):
        alike = list(run)
        vectors = vectors_of([group.best.id for group in alike])
        scores = np.array([group.best.score for group in alike])
        ordered += [alike[place] for place in marginal_order(scores, vectors)]
    return [*ordered, *rest]


def marginal_order(scores: NDArray[np.float64], vectors: NDArray[np.float32]) -> list[int]:
    """Return the order of items by maximal marginal relevance.

    Args:
        scores: (N,), higher is better.
        vectors: (N, D) unit rows.
    """
    relevance = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-9)
    closest = np.zeros(len(scores))
    left = np.ones(len(scores), bool)
    order = []
    for _ in range(len(scores)):
        gain = np.where(left, TRADE_OFF * relevance - (1 - TRADE_OFF) * closest, -np.inf)
        best = int(np.argmax(gain))
        order.append(best)
        left[best] = False
        closest = np.maximum(closest, vectors @ vectors[best])
    return order
