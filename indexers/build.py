"""Making the base of an index: from old segments by copying codes, or anew for another kind; and tuning it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexers.approximate import ApproximateIndex, Graph, train
from indexers.blocks import scan
from indexers.engine import Embeddings, Positions, Results, use_blas_for_batches
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup
from indexers.spec import EXACT, FLOAT16
from indexers.tune import DEPTHS, QUERIES, Tuning, tune

NOWHERE = -2
"""The position of what is not a row."""
SMALLEST_NORM = 1e-12


def build(spec: str, parts: Sequence[RowGroup], *, dim: int, is_new: bool) -> RowGroup:
    """One segment of the living rows of several.

    Args:
        spec: what to make.
        parts: in the order that the rows shall have.
        dim: D.
        is_new: train, even where the parts are of a trained kind.
    """
    use_blas_for_batches(dim)
    rows = FlatVectors.empty(dim, spec if spec in EXACT else FLOAT16)
    for part in parts:
        rows.extend(part.rows, part.living)
    ids = np.concatenate([part.ids for part in parts])
    return RowGroup(rows, ids, None if spec in EXACT else _kind(spec, parts, rows, is_new=is_new))


def tuned(segment: RowGroup, target_recall: float) -> Tuning | None:
    """Measure what a segment needs to reach a recall; None for exact kinds, and for too few rows to measure on."""
    count = min(QUERIES, len(segment))
    depth = min(DEPTHS[-1], len(segment) - 1)
    if segment.kind is None or depth < DEPTHS[0]:
        return None
    positions = np.unique(np.linspace(0, len(segment) - 1, count).astype(np.int64))
    queries = segment.rows.take(positions)
    if isinstance(segment.kind, Graph):
        queries, positions = _moved(queries, segment.rows), np.full(count, NOWHERE)

    def search(k: int, effort: int, stride: int) -> Embeddings:
        return _without_self(segment.search_with(queries[::stride], k + 1, effort), positions[::stride])

    use_blas_for_batches(segment.rows.dim)
    truth = _without_self(scan(segment.rows.index, queries, depth + 1), positions)
    return tune(search, segment.kind.efforts, truth, target_recall=target_recall, rows=len(segment))


def _kind(spec: str, parts: Sequence[RowGroup], rows: FlatVectors, *, is_new: bool) -> ApproximateIndex:
    old = [(part.kind, part.living) for part in parts if part.kind is not None]
    if not is_new and len(old) == len(parts):
        return old[0][0].joined(old, rows)
    kind = train(spec, rows)
    for block in rows.blocks():
        kind.add(block)
    return kind


def _moved(queries: Embeddings, rows: FlatVectors) -> Embeddings:
    """(Q, D) rows moved by the difference of two of their neighbours, as long as before.

    A walk through a graph that arrives at a row finds its neighbours at once, because it was linked to them. New
    queries are not in the graph.
    """
    near = scan(rows.index, queries, 3)[1]
    moved = queries + rows.take(near[:, 1]) - rows.take(near[:, 2])
    norms = [np.linalg.norm(some, axis=1, keepdims=True) for some in (queries, moved)]
    longer: Embeddings = moved * (norms[0] / np.maximum(norms[1], SMALLEST_NORM))
    return longer


def _without_self(found: Results, own: Positions) -> Embeddings:
    """(Q, K) of the (Q, K + 1) scores: without that of the query itself, or else the last."""
    scores, positions = found
    is_own = positions == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Embeddings = scores[~is_own].reshape(len(scores), -1)
    return others
