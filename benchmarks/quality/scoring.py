"""Compute all metrics for each query, and their means with confidence intervals, with and without missing items.

Means are in percent, except for ranks. `R@k` is that of the papers: at least one right candidate among the first k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality import metrics
from benchmarks.quality.metrics import bootstrap_interval, bootstrap_means
from benchmarks.quality.protocol import Protocol
from benchmarks.quality.ranking import Outcome

Values = dict[str, float]
"""Values of one query by metric: between 0 and 1, except for `median rank`, the rank of the first right candidate."""
Scored = tuple[Outcome, Values]

MEDIAN_RANK = "median rank"
MISSED = np.inf
NDCG_DEPTHS = 5, 10
"""k of nDCG: 5 is that of ViDoRe, 10 that of BEIR."""


def values_of(outcome: Outcome, protocol: Protocol) -> Values:
    """Compute all metrics of one query; a query that could not be embedded is a miss in all of them."""
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
    """Compute the values of every query whose answers are known."""
    return [(outcome, values_of(outcome, protocol)) for outcome in outcomes if outcome.question.relevant]


def summarise(scored: Sequence[Scored], protocol: Protocol) -> dict[str, Any]:
    """Summarise the values over the answerable queries, over all queries, and by group.

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
    """Average the metrics that all groups have over the groups, without intervals."""
    shared = [name for name in groups[0] if name not in ("queries", MEDIAN_RANK) and all(name in one for one in groups)]
    means = {name: {"value": round(float(np.mean([one[name]["value"] for one in groups])), 4)} for name in shared}
    return {"queries": sum(one["queries"] for one in groups), **means}


def _means(rows: Sequence[Values], protocol: Protocol) -> dict[str, Any]:
    """Compute means with intervals; queries that lack a metric, such as recall with one right answer, do not count."""
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
    """Group the metrics by the number of queries that have them."""
    counts: dict[int, list[str]] = {}
    for name, count in Counter(name for row in rows for name in row).items():
        counts.setdefault(count, []).append(name)
    return list(counts.values())


def _number(value: float, low: float, high: float) -> dict[str, float | None]:
    """Return a value and its 95 % interval; infinite numbers become None."""
    numbers = {"value": value, "low": low, "high": high}
    return {name: round(float(number), 4) if np.isfinite(number) else None for name, number in numbers.items()}
