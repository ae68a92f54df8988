"""Filters that let 0.1 % to 50 % pass: the regime that was chosen against each of the three, and recall."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed import NAME, TOP, Data
from benchmarks.timing import faiss_settings, in_turns
from indexers.filters import Chosen
from indexers.rows import WIDEN_MARGIN, best_of_blocks
from indexers.segment import WIDENING, Segment
from indexers.tune import Tuning

SHARES = (0.001, 0.01, 0.1, 0.5)
SPECS = ("float32", "int8", None)
QUERIES = 64


def run(data: Data) -> dict[str, Any]:
    """For each kind and share."""
    rng = np.random.default_rng(5)
    filters = {share: np.flatnonzero(rng.random(len(data.rows)) < share) for share in SHARES}
    truths = {share: _truth(data, allowed) for share, allowed in filters.items()}
    table: dict[str, Any] = {}
    for spec in SPECS:
        table[spec or "default"] = {
            f"{share:.1%}": _share(data, spec, allowed, truths[share]) for share, allowed in filters.items()
        }
    return table


def _truth(data: Data, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    blocks = (data.rows[allowed[start : start + 16_384]] for start in range(0, len(allowed), 16_384))
    return allowed[best_of_blocks(data.queries[:QUERIES], TOP, blocks)[1]]


def _share(data: Data, spec: str | None, allowed: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, Any]:
    index = data.stored(spec)
    state = index.partition(NAME).state
    bits = np.isin(np.arange(len(data.rows)), allowed)
    regimes = _regimes(state.base, state.tuning, bits)

    def ask(turn: int) -> object:
        return index.search([NAME], data.queries[turn % QUERIES][None], TOP, allowed=bits)

    with faiss_settings(1, data.rows.shape[1]):
        times = in_turns(
            {
                "ours": ask,
                **{name: partial(_ask, regime, data) for name, regime in regimes.items()},
            },
            repeats=5,
        )
    found = [index.search([NAME], query[None], TOP, allowed=bits)[NAME][1][0] for query in data.queries[:QUERIES]]
    row: dict[str, Any] = {f"{name}_ms": round(time, 3) for name, time in times.items()}
    row["complete"] = bool((np.array(found) >= 0).all())
    row["recall"] = _recall(np.array(found), truth)
    for name, regime in regimes.items():
        row[f"{name}_recall"] = _recall(np.vstack([regime(query[None]) for query in data.queries[:QUERIES]]), truth)
    usable = [times[name] for name in regimes if row[f"{name}_recall"] >= row["recall"] - 0.01]
    row["ratio_to_best"] = round(times["ours"] / min(usable), 3)
    return row


def _ask(regime: Callable[[Any], Any], data: Data, turn: int) -> object:
    return regime(data.queries[turn % QUERIES][None])


def _regimes(base: Segment, tuning: Tuning | None, bits: NDArray[np.bool_]) -> dict[str, Any]:
    """Each way by itself, from the same bits; approximate kinds at the effort that the filter asks for."""

    def chosen() -> Chosen:
        return Chosen.of_mask(bits[base.all_ids])

    if base.kind is None:
        return {
            "gather": lambda query: base.rows.search_gathered(query, TOP, chosen())[1],
            "select": lambda query: base.rows.search_selected(query, TOP, chosen())[1],
            "widen": lambda query: base.rows.search_widened(query, TOP, chosen())[1],
        }
    share = chosen().share
    effort = tuning.effort_for(TOP / share) if tuning else base.kind.effort
    wide = min(len(base), int(WIDENING * TOP / share) + WIDEN_MARGIN)

    def widened(query: NDArray[np.float32]) -> NDArray[np.int64]:
        positions = base.search_with(query, wide, effort)[1]
        passing = positions[(positions >= 0) & chosen().mask[positions]][:TOP]
        return np.pad(passing, (0, TOP - len(passing)), constant_values=-1)[None]

    return {
        "gather": lambda query: base.rows.search_gathered(query, TOP, chosen())[1],
        "select": lambda query: base.search_with(query, TOP, effort, chosen())[1],
        "widen": widened,
    }


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    shared = [len(np.intersect1d(one, other)) for one, other in zip(found, truth, strict=True)]
    return round(float(np.mean(shared)) / TOP, 4)
