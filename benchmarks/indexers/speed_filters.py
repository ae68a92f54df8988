"""Filters that 0.1 % to 50 % of the rows pass: the way of searching chosen, compared with each of the three; recall."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.timing import faiss_settings, in_turns
from benchmarks.indexers.speed import NAME, TOP, Data, at_least, at_most, exact, recall
from indexers.arrays import Ids
from indexers.flat import WIDEN_MARGIN
from indexers.row_filter import RowFilter
from indexers.row_group import WIDENING, RowGroup
from indexers.spec import FLOAT32, INT8
from indexers.tune import Tuning

SHARES = (0.001, 0.01, 0.1, 0.5)
QUERIES = 64
RECALL_LOSS = 0.01

Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]
"""(1, D) query -> (1, K) row numbers."""


def run(data: Data) -> dict[str, Any]:
    """Measure each kind of index with each share of rows."""
    rng = np.random.default_rng(5)
    filters = {share: np.flatnonzero(rng.random(len(data.rows)) < share) for share in SHARES}
    truths = {share: _truth(data, allowed) for share, allowed in filters.items()}
    kinds, checks = {}, {}
    for spec in (FLOAT32, INT8, data.cells):
        kinds[spec] = {f"{share:.1%}": _share(data, spec, allowed, truths[share]) for share, allowed in filters.items()}
        plain = data.recall(data.stored(spec).search([NAME], data.queries, TOP)[NAME][1])
        for share, row in kinds[spec].items():
            checks[f"{spec}, {share}: time by that of the best way"] = at_most(1.3, row["ratio_to_best"])
            checks[f"{spec}, {share}: lists that are full"] = at_least(1, row["complete"])
            checks[f"{spec}, {share}: recall lost to the filter"] = at_most(RECALL_LOSS, plain - row["recall"])
    return {"checks": checks, "kinds": kinds}


def _truth(data: Data, allowed: Ids) -> NDArray[np.int64]:
    return allowed[exact(data.queries[:QUERIES], data.rows[allowed])]


def _share(data: Data, spec: str, allowed: Ids, truth: NDArray[np.int64]) -> dict[str, Any]:
    index = data.stored(spec)
    state = index.partition(NAME)._state
    ways: dict[str, Search] = {
        "ours": lambda query: index.search([NAME], query, TOP, allowed=allowed)[NAME][1],
        **_ways(state.base, state.tuning, allowed),
    }
    with faiss_settings(threads=1, has_blas=True, dim=data.rows.shape[1]):
        costs = in_turns({name: partial(_ask, way, data) for name, way in ways.items()})
        found = {name: np.vstack([way(query[None]) for query in data.queries[:QUERIES]]) for name, way in ways.items()}
    recalls = {name: recall(lists, truth) for name, lists in found.items()}
    usable = [costs[name].wall_ms for name in ways if name != "ours" and recalls[name] >= recalls["ours"] - RECALL_LOSS]
    return {
        **{f"{name}_ms": round(costs[name].wall_ms, 3) for name in ways},
        **{f"{name}_recall": value for name, value in recalls.items() if name != "ours"},
        "recall": recalls["ours"],
        "complete": float((found["ours"] >= 0).all(axis=1).mean()),
        "ratio_to_best": round(costs["ours"].wall_ms / min(usable), 3),
    }


def _ask(way: Search, data: Data, turn: int) -> object:
    return way(data.queries[turn % QUERIES][None])


def _ways(base: RowGroup, tuning: Tuning | None, allowed: Ids) -> dict[str, Search]:
    """Return each way by itself, given the same ids, with the search parameter that the filter requires."""

    def row_filter() -> RowFilter:
        return cast(RowFilter, base.filter_for(allowed))

    if base.approximate is None:
        return {
            "gather": lambda query: base.rows.search_gathered(query, TOP, row_filter())[1],
            "select": lambda query: base.rows.search_selected(query, TOP, row_filter())[1],
            "widen": lambda query: base.rows.search_widened(query, TOP, row_filter())[1],
        }
    share = len(allowed) / len(base)
    parameter = tuning.parameter_for(TOP / share) if tuning else base.approximate.default_parameter
    wide = min(len(base), int(WIDENING * TOP / share) + WIDEN_MARGIN)

    def widened(query: NDArray[np.float32]) -> NDArray[np.int64]:
        positions = base.search_with(query, wide, parameter)[1]
        passing = positions[(positions >= 0) & row_filter().mask[positions]][:TOP]
        return np.pad(passing, (0, TOP - len(passing)), constant_values=-1)[None]

    return {
        "gather": lambda query: base.rows.search_gathered(query, TOP, row_filter())[1],
        "select": lambda query: base.search_with(query, TOP, parameter, row_filter())[1],
        "widen": widened,
    }
