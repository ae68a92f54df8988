"""Ranking metrics on the ranks of relevant candidates, pure numpy; shared by training and benchmarks.

Everything starts from the ranks at which the relevant candidates of one query stand. Ties are scored pessimistically:
among equal scores the relevant ones come last, so an encoder that gives everything the same vector has no hits. A rank
may be `inf`: relevant, but not in the gallery. What is left out: reading files and embedding, see `benchmarks/`.

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
"""BLAS gives equal rows scores that differ in the last digits, by where they stand; rounding makes them equal again."""
TIE = 10.0**-TIE_DECIMALS
RESAMPLES = 2000
BOUNDS = 0.025, 0.975
"""Of the 95 % intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is right for one query, in rows of the gallery.

    Attributes:
        relevant: (R,) rows, in order of ascending grade, so that ties put the better grade last; -1 is not there.
        excluded: rows that are ranked behind all others, such as the query's own reference.
        subset: rows of a smaller gallery, or None.
    """

    relevant: Ints
    excluded: Ints
    subset: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How one query went.

    Attributes:
        ranks: (R,) from 1, of `Judged.relevant` in its order.
        scores: (R,) of the same; `-inf` where excluded or not there.
        top: (K,) best rows, best first; excluded ones are not among them.
        top_scores: (K,) of `top`.
        subset: the same within `Judged.subset`, or None.
    """

    ranks: Floats
    scores: Floats
    top: Ints
    top_scores: Floats
    subset: Ranking | None = None


def rank(queries: ArrayLike, candidates: ArrayLike, judged: Sequence[Judged], *, depth: int) -> Iterator[Ranking]:
    """Rank all candidates for every query; a block of queries at a time, so memory does not grow with Q.

    Args:
        queries: (Q, D) embeddings.
        candidates: (N, D) embeddings.
        judged: Q of them.
        depth: K, how much of each ranking is handed out.
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
    """Ranks, from 1, of the relevant rows in order; among equal scores they come last, and in reverse order.

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
    """1 if a relevant candidate is among the first k, else 0: what papers call R@k."""
    return float(np.any(ranks <= k))


def recall_at(ranks: Floats, k: int) -> float:
    """Share of the relevant candidates that are among the first k."""
    return float(np.mean(ranks <= k))


def reciprocal_rank(ranks: Floats) -> float:
    """1 / rank of the first relevant candidate."""
    return float(1 / ranks.min())


def average_precision_at(ranks: Floats, k: int, *, best: int | None = None) -> float:
    """Sum of the precision at each relevant rank up to k, over the number of relevant candidates.

    Args:
        ranks: (R,) of all relevant candidates.
        k: depth.
        best: what to divide by instead of R. CIRCO divides by min(R, k) (miccunifi/CIRCO evaluation.py).
    """
    ordered = np.sort(ranks)
    precision = np.arange(1, len(ordered) + 1) / ordered
    return float(precision[ordered <= k].sum() / (len(ordered) if best is None else best))


def ndcg_at(ranks: Floats, k: int, grades: ArrayLike | None = None) -> float:
    """Discounted gain of the first k over that of the best order; the gain is the grade, as in trec_eval.

    Source: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002, with log2(rank + 1).
    """
    gains = np.ones(len(ranks)) if grades is None else np.asarray(grades, np.float64)
    found = np.where(ranks <= k, gains / np.log2(ranks + 1), 0).sum()
    ideal = np.sort(gains)[::-1][:k]
    return float(found / (ideal / np.log2(np.arange(len(ideal)) + 2)).sum())


def bootstrap_means(values: ArrayLike, *, seed: int = 0) -> Floats:
    """Percentile intervals of the means of (Q, M) values, (M, 2); all M columns are drawn together."""
    own = np.asarray(values, np.float64)
    means = [_counts(drawn, len(own)) @ own / len(own) for drawn in _draws(len(own), seed)]
    bounds: Floats = np.quantile(np.concatenate(means), BOUNDS, axis=0).T
    return bounds


def bootstrap_interval(values: ArrayLike, statistic: Callable[..., Any], *, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of a statistic over queries, which are drawn again with replacement.

    Args:
        values: (Q,) one number a query.
        statistic: takes (draws, Q) and `axis=1`.
        seed: of the draws.
    """
    own = np.asarray(values, np.float64)
    found = np.concatenate([statistic(own[drawn], axis=1) for drawn in _draws(len(own), seed)])
    low, high = np.quantile(found, BOUNDS, method="nearest")
    return float(low), float(high)


def permutation_p_value(differences: ArrayLike, *, seed: int = 0) -> float:
    """How often chance alone makes a mean difference as large: two-sided, the sign of each query's flipped at random.

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
    """Blocks of (draws, Q) rows, `RESAMPLES` draws in all."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_BYTES // (16 * count))
    for start in range(0, RESAMPLES, step):
        yield rng.integers(count, size=(min(step, RESAMPLES - start), count))


def _counts(drawn: Ints, count: int) -> Ints:
    """How often each row is in each draw, (draws, Q)."""
    places = drawn + count * np.arange(len(drawn))[:, None]
    return np.bincount(places.ravel(), minlength=len(drawn) * count).reshape(len(drawn), count)


def _within(scores: Floats, relevant: Ints, subset: Ints, depth: int) -> Ranking:
    """The ranking of a smaller gallery, in rows of the whole one."""
    place = {int(row): number for number, row in enumerate(subset)}
    rows = np.array([place.get(int(row), -1) for row in relevant], np.int64)
    inside = rank_scores(scores[subset], Judged(relevant=rows, excluded=subset[:0]), depth=depth)
    return replace(inside, top=subset[inside.top])


def _top(scores: Floats, relevant: Ints, depth: int) -> Ints:
    """Best rows, best first, in the very order that `pessimistic_ranks` counts in."""
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
