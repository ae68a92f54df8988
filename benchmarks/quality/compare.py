"""Compare two evaluations of the same data set query by query: the difference of each metric and its significance.

Differences are paired, over the queries that both could answer. The p-value is that of a permutation test, in which the
signs of the differences are flipped at random; the interval is that of a bootstrap over queries. There is no correction
for multiple comparisons, so choose the metric before looking at the results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.evaluation import QUERIES_FILE
from benchmarks.quality.metrics import bootstrap_means, permutation_p_value
from benchmarks.quality.scoring import MEDIAN_RANK
from unite_search.errors import UniteSearchError

RESULT_FILE = "result.json"


class IncomparableError(UniteSearchError):
    """Two results cannot be compared, or a folder has no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of one metric, in percent.

    Attributes:
        metric: name of the metric.
        first: mean in the first evaluation over the shared queries.
        second: mean in the second evaluation.
        low: lower bound of the 95 % interval of second minus first.
        high: upper bound of that interval.
        p_value: two-sided p-value.
    """

    metric: str
    first: float
    second: float
    low: float
    high: float
    p_value: float


def compare(first: Path, second: Path) -> tuple[list[Difference], list[str]]:
    """Compare the result folders of two runs.

    Returns:
        The metrics that both have, and remarks on coverage and on differences in the settings.

    Raises:
        IncomparableError: a folder has no result, or there is no query that both could answer.
    """
    ours, theirs = _queries(first), _queries(second)
    shared = [name for name, row in ours.items() if row["answerable"] and theirs.get(name, {}).get("answerable")]
    if not shared:
        raise IncomparableError(f"{first} and {second} share no query that both could answer")
    left, right = [ours[name] for name in shared], [theirs[name] for name in shared]
    return _differences(left, right), _remarks(first, second, len(shared), max(len(ours), len(theirs)))


def table(differences: Sequence[Difference], remarks: Sequence[str]) -> str:
    """Format remarks and differences as lines for a terminal."""
    lines = [*remarks, f"{'':16}{'first':>8}{'second':>8}{'diff':>8}  95 % interval      p"]
    for one in differences:
        interval = f"[{one.low:+.2f}, {one.high:+.2f}]"
        change = one.second - one.first
        lines.append(f"{one.metric:16}{one.first:8.2f}{one.second:8.2f}{change:+8.2f}  {interval:18} {one.p_value:.4f}")
    return "\n".join(lines)


def _differences(left: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]]) -> list[Difference]:
    names = [name for name in left[0] if name not in ("id", "answerable", MEDIAN_RANK) and name in right[0]]
    found = []
    for name in names:
        pairs = [(one[name], other[name]) for one, other in zip(left, right, strict=True) if name in one]
        values = 100 * np.array(pairs, np.float64)  # (shared, 2)
        changes = values[:, 1] - values[:, 0]
        low, high = bootstrap_means(changes[:, None])[0]
        found.append(
            Difference(
                metric=name,
                first=float(values[:, 0].mean()),
                second=float(values[:, 1].mean()),
                low=float(low),
                high=float(high),
                p_value=permutation_p_value(changes),
            )
        )
    return found


def _remarks(first: Path, second: Path, shared: int, queries: int) -> list[str]:
    ours, theirs = _result(first), _result(second)
    remarks = [f"{shared:,} of {queries:,} queries were answerable in both"]
    if ours["dataset"] != theirs["dataset"]:
        remarks.append(f"the sets differ: {ours['dataset']} and {theirs['dataset']}")
    for rule, value in ours["protocol"].items():
        if (other := theirs["protocol"].get(rule)) != value:
            remarks.append(f"the protocols differ: {rule} is {value!r} and {other!r}")
    for folder, result in ((first, ours), (second, theirs)):
        coverage = result["coverage"]
        remarks.append(
            f"{folder}: {result['encoder']['name']}, {coverage['candidates_there']:,} of "
            f"{coverage['candidates']:,} candidates were there"
        )
    return remarks


def _result(folder: Path) -> dict[str, Any]:
    content = json.loads(_text(folder / RESULT_FILE))
    results: dict[str, Any] = content["results"]
    return results


def _queries(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in _text(folder / QUERIES_FILE).splitlines()]
    return {row["id"]: row for row in rows}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise IncomparableError(f"{path.parent} has no {path.name}; give folders that a benchmark wrote") from error
