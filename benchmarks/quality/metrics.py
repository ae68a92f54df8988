"""Ranking metrics in numpy, computed from the ranks of the relevant candidates of each query.

Ties are scored pessimistically: among equal scores the relevant candidates come last, so an encoder that maps
everything to the same vector has no hits. The rank of a relevant candidate that is not in the gallery is `inf`. This
module does not read files or embed.

Q queries, N candidates, R relevant ones of a query, K depth of a ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_BYTES = 64 << 20
TIE_DECIMALS = 9
"""BLAS computes scores of equal rows that differ in the last digits, by position; rounding makes them equal again."""
TIE = 10.0**-TIE_DECIMALS
RESAMPLES = 2000
BOUNDS = 0.025, 0.975
"""Quantiles of the 95 % intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The right answers of one query, as rows of the gallery.

    Attributes:
        relevant: (R,) rows in order of ascending grade, so that ties put the better grade last; -1 if not available.
        excluded: rows that are ranked behind all others, such as the query's own reference.
        subset: rows of a smaller gallery, or None.
    """

    relevant: Ints
    excluded: Ints
    subset: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The ranking of one query.

    Attributes:
        ranks: (R,) ranks, from 1, of `Judged.relevant` in its order.
        scores: (R,) scores of the same; `-inf` if excluded or not in the gallery.
        top: (K,) best rows, best first, without excluded ones.
        top_scores: (K,) scores of `top`.
        subset: the ranking within `Judged.subset`, or None.
    """

    ranks: Floats
    scores: Floats
    top: Ints
    top_scores: Floats
    subset: Ranking | None = None


def rank(queries: ArrayLike, candidates: ArrayLike, judged: Sequence[Judged], *, depth: int) -> Iterator[Ranking]:
    """Rank all candidates for every query, one block of queries at a time, so that memory does not grow with Q.

    Args:
        queries: (Q, D) embeddings.
        candidates: (N, D) embeddings.
        judged: the right answers of the Q queries.
        depth: K, length of the rankings to return.
    """
    rows, columns = np.asarray(queries), np.asarray(candidates, np.float64).T
    step = max(1, BLOCK_BYTES // (8 * max(1, columns.shape[1])))
    for start in range(0, len(rows), step):
        scores = rows[start : start + step].astype(np.float64) @ columns  # (step, N)
        np.round(scores, TIE_DECIMALS, out=scores)
        for own, right in zip(scores, judged[start : start + step], strict=True):
            yield rank_scores(own, right, depth=depth)


def rank_scores(scores: Floats, judged: Judged, *, depth: int) -> Ranking:
    """Rank by (N,) scores, which are overwritten where rows are excluded."""
    scores[judged.excluded] = -np.inf
    is_there = judged.relevant >= 0
    ranks, own = np.full(len(is_there), np.inf), np.full(len(is_there), -np.inf)
    ranks[is_there] = pessimistic_ranks(scores, judged.relevant[is_there])
    own[is_there] = scores[judged.relevant[is_there]]
    top = _top(scores, judged.relevant[is_there], depth)
    inside = None if judged.subset is None else _within(scores, judged.relevant, judged.subset, depth)
    return Ranking(ranks=ranks, scores=own, top=top, top_scores=scores[top], subset=inside)


def pessimistic_ranks(scores: ArrayLike, relevant: ArrayLike) -> Floats:
    """Return the ranks, from 1, of the relevant rows; among equal scores they come last, in the order given.

    Args:
        scores: (N,), higher is better.
        relevant: (R,) rows.
    """
    given, rows = np.asarray(scores), np.asarray(relevant, np.int64)
    own = given[rows]
    is_other = np.ones(len(given), bool)
    is_other[rows] = False
    others = given[is_other]
    before = np.array([np.count_nonzero(others >= score) for score in own], np.float64)
    place = np.empty(len(own))
    place[np.lexsort((np.arange(len(own)), -own))] = np.arange(1, len(own) + 1)
    return before + place


def hit_rate_at(ranks: Floats, k: int) -> float:
    """Return 1 if a relevant candidate is among the first k, else 0; papers call this R@k."""
    return float(np.any(ranks <= k))


def recall_at(ranks: Floats, k: int) -> float:
    """Return the share of the relevant candidates that are among the first k."""
    return float(np.mean(ranks <= k))


def reciprocal_rank(ranks: Floats) -> float:
    """Return 1 / rank of the first relevant candidate."""
    return float(1 / ranks.min())


def average_precision_at(ranks: Floats, k: int, *, best: int | None = None) -> float:
    """Return the sum of the precision at each relevant rank up to k, over the number of relevant candidates.

    Args:
        ranks: (R,) ranks of all relevant candidates.
        k: depth.
        best: divisor to use instead of R. CIRCO divides by min(R, k) (miccunifi/CIRCO evaluation.py).
    """
    ordered = np.sort(ranks)
    precision = np.arange(1, len(ordered) + 1) / ordered
    return float(precision[ordered <= k].sum() / (len(ordered) if best is None else best))


def ndcg_at(ranks: Floats, k: int, grades: ArrayLike | None = None) -> float:
    """Return the discounted gain of the first k over that of the best order; the gain is the grade, as in trec_eval.

    Source: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002, with log2(rank + 1).
    """
    gains = np.ones(len(ranks)) if grades is None else np.asarray(grades, np.float64)
    found = np.where(ranks <= k, gains / np.log2(ranks + 1), 0).sum()
    ideal = np.sort(gains)[::-1][:k]
    return float(found / (ideal / np.log2(np.arange(len(ideal)) + 2)).sum())


def bootstrap_means(values: ArrayLike, *, seed: int = 0) -> Floats:
    """Return bootstrap percentile intervals, (M, 2), of the means of (Q, M) values; columns share the resamples."""
    own = np.asarray(values, np.float64)
    means = [_counts(drawn, len(own)) @ own / len(own) for drawn in _draws(len(own), seed)]
    bounds: Floats = np.quantile(np.concatenate(means), BOUNDS, axis=0).T
    return bounds


def bootstrap_interval(values: ArrayLike, statistic: Callable[..., Any], *, seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap percentile interval of a statistic over queries.

    Args:
        values: (Q,) one number per query.
        statistic: function of (draws, Q) values that takes `axis=1`.
        seed: seed of the resamples.
    """
    own = np.asarray(values, np.float64)
    found = np.concatenate([statistic(own[drawn], axis=1) for drawn in _draws(len(own), seed)])
    low, high = np.quantile(found, BOUNDS, method="nearest")
    return float(low), float(high)


def permutation_p_value(differences: ArrayLike, *, seed: int = 0) -> float:
    """Return the two-sided p-value of a mean difference, from a permutation test that flips signs at random.

    Source: Smucker, Allan and Carterette, A comparison of statistical significance tests for information retrieval
    evaluation, CIKM 2007, section 3.
    """
    values: Floats = np.asarray(differences, np.float64)
    values = values[values != 0]
    if not len(values):
        return 1.0
    rng = np.random.default_rng(seed)
    rounds = 5 * RESAMPLES
    observed = abs(values.sum()) - TIE
    at_least = sum(abs(float(values @ rng.choice((-1.0, 1.0), len(values)))) >= observed for _ in range(rounds))
    return float(at_least + 1) / (rounds + 1)


def _draws(count: int, seed: int) -> Iterator[Ints]:
    """Yield blocks of (draws, Q) resampled row numbers, `RESAMPLES` draws in all."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_BYTES // (16 * count))
    for start in range(0, RESAMPLES, step):
        yield rng.integers(count, size=(min(step, RESAMPLES - start), count))


def _counts(drawn: Ints, count: int) -> Ints:
    """Count how often each row occurs in each draw, (draws, Q)."""
    places = drawn + count * np.arange(len(drawn))[:, None]
    return np.bincount(places.ravel(), minlength=len(drawn) * count).reshape(len(drawn), count)


def _within(scores: Floats, relevant: Ints, subset: Ints, depth: int) -> Ranking:
    """Rank a subset of the gallery; the result has rows of the complete gallery."""
    place = {int(row): number for number, row in enumerate(subset)}
    rows = np.array([place.get(int(row), -1) for row in relevant], np.int64)
    inside = rank_scores(scores[subset], Judged(relevant=rows, excluded=subset[:0]), depth=depth)
    return replace(inside, top=subset[inside.top])


def _top(scores: Floats, relevant: Ints, depth: int) -> Ints:
    """Return the best rows, best first, with ties in the same order as in `pessimistic_ranks`."""
    place = np.zeros(len(scores), np.int64)
    place[relevant] = np.arange(1, len(relevant) + 1)
    depth = min(depth, len(scores))
    if not depth:
        return np.empty(0, np.int64)
    lowest = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    rows = np.flatnonzero(scores >= lowest)
    best = rows[np.lexsort((place[rows], -scores[rows]))][:depth]
    kept: Ints = best[np.isfinite(scores[best])]
    return kept
