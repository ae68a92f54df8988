"""Build the base of an index, from existing row groups by copying codes or by training another kind, and tune it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexers.approximate import ApproximateIndex, Graph, train
from indexers.arrays import Embeddings, Positions, Results, Scores
from indexers.blocks import scan
from indexers.engine import use_blas_for_batches
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup
from indexers.spec import EXACT, FLOAT16
from indexers.tune import DEPTHS, QUERIES, Tuning, tune
from indexers.unit import unit_rows

NOT_A_ROW = -2
"""The position of a query that is not a row."""


def build(spec: str, parts: Sequence[RowGroup], *, dim: int, is_new: bool) -> RowGroup:
    """Build one row group from the live rows of several.

    Args:
        spec: the kind of index to build.
        parts: row groups, in the order that the rows shall have.
        dim: D.
        is_new: train, even if the parts have a trained index.
    """
    use_blas_for_batches(dim)
    rows = FlatVectors.empty(dim, spec if spec in EXACT else FLOAT16)
    for part in parts:
        rows.extend(part.rows, part.live_positions)
    ids = np.concatenate([part.ids for part in parts])
    return RowGroup(rows, ids, None if spec in EXACT else _approximate(spec, parts, rows, is_new=is_new))


def tuned(group: RowGroup, target_recall: float) -> Tuning | None:
    """Measure the search parameter that a row group needs for a target recall.

    Returns:
        The measured curve; None for exact kinds, and where there are too few rows to measure.
    """
    count = min(QUERIES, len(group))
    depth = min(DEPTHS[-1], len(group) - 1)
    if group.approximate is None or depth < DEPTHS[0]:
        return None
    positions = np.unique(np.linspace(0, len(group) - 1, count).astype(np.int64))
    queries = group.rows.take(positions)
    if isinstance(group.approximate, Graph):
        queries, positions = _moved(queries, group.rows), np.full(count, NOT_A_ROW)

    def search(k: int, parameter: int, stride: int) -> Scores:
        return _without_self(group.search_with(queries[::stride], k + 1, parameter), positions[::stride])

    use_blas_for_batches(group.rows.dim)
    truth = _without_self(scan(group.rows.index, queries, depth + 1), positions)
    return tune(search, group.approximate.search_parameters, truth, target_recall=target_recall, rows=len(group))


def _approximate(spec: str, parts: Sequence[RowGroup], rows: FlatVectors, *, is_new: bool) -> ApproximateIndex:
    old = [(part.approximate, part.live_positions) for part in parts if part.approximate is not None]
    if not is_new and len(old) == len(parts):
        return old[0][0].joined(old, rows)
    approximate = train(spec, rows)
    for block in rows.blocks():
        approximate.add(block)
    return approximate


def _moved(queries: Embeddings, rows: FlatVectors) -> Embeddings:
    """Move (Q, D) rows by the difference of two of their neighbours, keeping their lengths.

    A search of a graph that reaches a row finds its neighbours at once, because the row is linked to them. New queries
    are not in the graph.
    """
    near = scan(rows.index, queries, 3)[1]
    moved = queries + rows.take(near[:, 1]) - rows.take(near[:, 2])
    as_long: Embeddings = unit_rows(moved) * np.linalg.norm(queries, axis=1, keepdims=True)
    return as_long


def _without_self(found: Results, own: Positions) -> Scores:
    """Return (Q, K) of (Q, K + 1) scores: drop that of the query's own row, or the last if it was not found."""
    scores, positions = found
    is_own = positions == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Scores = scores[~is_own].reshape(len(scores), -1)
    return others
