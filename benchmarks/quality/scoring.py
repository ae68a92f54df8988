"""Outcomes to numbers: every metric query by query, then as a mean with its interval, with and without what is missing.

Percent, but for the ranks. `R@k` is the papers': at least one right candidate among the first k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality import metrics
from benchmarks.quality.evaluate import Outcome
from benchmarks.quality.metrics import bootstrap_interval, bootstrap_means
from benchmarks.quality.protocol import Protocol

Values = dict[str, float]
"""By metric, of one query; between 0 and 1, but for `median rank`, which is the rank of the first right candidate."""
Scored = tuple[Outcome, Values]

MEDIAN_RANK = "median rank"
MISSED = np.inf
NDCG_DEPTHS = 5, 10
"""ViDoRe's and BEIR's."""


def values_of(outcome: Outcome, protocol: Protocol) -> Values:
    """All metrics of one query; one that could not be asked is a miss in all of them."""
    relevant = outcome.question.relevant
    grades = sorted(relevant.values())
    ranking = outcome.ranking
    ranks = np.full(len(relevant), MISSED) if ranking is None else ranking.ranks
    values = {f"R@{k}": metrics.hit_rate_at(ranks, k) for k in protocol.depths}
    if outcome.question.subset:
        inside = ranking.subset.ranks if ranking and ranking.subset else np.full(len(relevant), MISSED)
        values |= {f"Rsubset@{k}": metrics.hit_rate_at(inside, k) for k in protocol.depths if k <= 3}
    if len(relevant) > 1:
        values |= {f"recall@{k}": metrics.recall_at(ranks, k) for k in protocol.depths}
    for k in protocol.depths:
        best = min(k, len(ranks)) if protocol.average_precision == "fitting" else None
        values[f"mAP@{k}"] = metrics.average_precision_at(ranks, k, best=best)
    values |= {f"nDCG@{k}": metrics.ndcg_at(ranks, k, grades) for k in NDCG_DEPTHS}
    return values | {"MRR": metrics.reciprocal_rank(ranks), MEDIAN_RANK: float(ranks.min())}


def score(outcomes: Sequence[Outcome], protocol: Protocol) -> list[Scored]:
    """Values of every query whose answers are known."""
    return [(outcome, values_of(outcome, protocol)) for outcome in outcomes if outcome.question.relevant]


def summarise(scored: Sequence[Scored], protocol: Protocol) -> dict[str, Any]:
    """Numbers over the queries that could be answered, over all of them, and by group.

    `available` leaves out queries whose reference or whose right candidates are missing; `all` counts them as misses.
    `mean of groups` gives each group the same weight, as published averages over categories or tasks do.
    """
    answerable = [(outcome, values) for outcome, values in scored if outcome.is_answerable]
    groups = dict.fromkeys(outcome.question.group for outcome, _ in scored)
    summary = {"available": _means([values for _, values in answerable], protocol)}
    if len(answerable) < len(scored):
        summary["all"] = _means([values for _, values in scored], protocol)
    if len(groups) > 1:
        summary["groups"] = {
            group: _means([values for outcome, values in answerable if outcome.question.group == group], protocol)
            for group in groups
        }
        summary["mean of groups"] = _mean_of(list(summary["groups"].values()))
    return summary


def _mean_of(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The metrics that all groups have, each averaged over the groups; without intervals."""
    shared = [name for name in groups[0] if name not in ("queries", MEDIAN_RANK) and all(name in one for one in groups)]
    means = {name: {"value": round(float(np.mean([one[name]["value"] for one in groups])), 4)} for name in shared}
    return {"queries": sum(one["queries"] for one in groups), **means}


def _means(rows: Sequence[Values], protocol: Protocol) -> dict[str, Any]:
    """Means with their intervals; queries without a metric, such as those with one right answer, do not count in it."""
    if not rows:
        return {"queries": 0}
    full = [
        row | {name: float(np.mean([row[part] for part in parts])) for name, parts in protocol.means} for row in rows
    ]
    best = np.array([row.pop(MEDIAN_RANK) for row in full])
    numbers: dict[str, Any] = {"queries": len(rows)}
    for names in _alike(full):
        columns = np.array([[row[name] for name in names] for row in full if names[0] in row])
        for name, value, bounds in zip(names, columns.mean(axis=0), bootstrap_means(columns), strict=True):
            numbers[name] = _number(100 * value, *(100 * bounds))
    numbers[MEDIAN_RANK] = _number(float(np.median(best)), *bootstrap_interval(best, np.median))
    return numbers


def _alike(rows: Sequence[Values]) -> list[list[str]]:
    """Metrics that the same queries have, together."""
    counts: dict[int, list[str]] = {}
    for name, count in Counter(name for row in rows for name in row).items():
        counts.setdefault(count, []).append(name)
    return list(counts.values())


def _number(value: float, low: float, high: float) -> dict[str, float | None]:
    """A value and its 95 % interval; None where one is infinite."""
    numbers = {"value": value, "low": low, "high": high}
    return {name: round(float(number), 4) if np.isfinite(number) else None for name, number in numbers.items()}
