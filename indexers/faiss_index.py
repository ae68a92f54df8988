"""`FaissIndex`: one partition, with int64 ids given by the caller, that can change while it is searched.

It consists of a large `base`, which may be a memory-mapped file and is never written to, and a `delta` of the rows
added since. Both are searched, and deleted rows are masked in both. Once enough has changed, `compact` builds one new
base from the two: codes are copied, and nothing is trained again unless the rule in `spec.py` asks for another kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexers.approximate import ApproximateIndex, Graph, train
from indexers.arrays import NO_ID, Embeddings, Ids, Mask, Positions, Results, Scores
from indexers.blocks import scan, top_k_of_blocks
from indexers.engine import top_k, use_blas_for_batches
from indexers.errors import DimensionError, UnknownSpecError
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup
from indexers.spec import EXACT, FLOAT16, FLOAT32, IndexConfig, can_keep
from indexers.tune import DEPTHS, QUERIES, Tuning, tune
from indexers.unit import unit_rows

NOT_A_ROW = -2
"""The position of a query that is not a row."""
SMALL_ROWS = 20_000
"""A base of at most this many rows is compacted after any change, because its file is written in no time."""
COMPACT_SHARE = 0.25
"""Compact once the added and the deleted rows exceed this share of the base."""


@dataclass(slots=True)
class IndexState:
    """The parts of an index.

    Attributes:
        spec: the kind of the base.
        base: most of the rows.
        delta: the rows added since the base was built.
        tuning: the measured curve of the base; None for exact kinds and before the first measurement.
    """

    spec: str
    base: RowGroup
    delta: RowGroup
    tuning: Tuning | None = None


class FaissIndex:
    """Inner-product search over (N, D) rows with ids.

    Attributes:
        dim: D.
        config: which kind of index the caller asked for.
    """

    def __init__(self, dim: int, config: IndexConfig | None = None) -> None:
        self.dim = dim
        self.config = config or IndexConfig()
        self._state = IndexState(FLOAT32, _no_rows(dim, FLOAT32), _no_rows(dim, FLOAT32))

    @classmethod
    def _of_state(cls, state: IndexState, dim: int, config: IndexConfig) -> FaissIndex:
        """Create an index from parts that were stored."""
        index = cls(dim, config)
        index._state = state
        return index

    @classmethod
    def _of_rows(cls, rows: FlatVectors, ids: Ids, config: IndexConfig) -> FaissIndex:
        """Build and tune an index over rows that are there already, of the kind that the rule chooses for them.

        Args:
            rows: (N, D) rows in the type that `dtype_for` names.
            ids: (N,) int64.
            config: which kind of index to build.
        """
        use_blas_for_batches(rows.dim)
        spec = config.spec_for(len(rows), rows.dim)
        base = RowGroup(rows, ids, None if spec in EXACT else _approximate(spec, [], rows, is_new=True))
        tuning = tuned(base, config.target_recall)
        return cls._of_state(IndexState(spec, base, empty_delta(base), tuning), rows.dim, config)

    def __len__(self) -> int:
        return sum(len(part) - part.deleted_count for part in self._parts)

    @property
    def ids(self) -> Ids:
        """(N,) int64 ids, oldest row first."""
        return np.concatenate([part.ids for part in self._parts])

    @property
    def spec(self) -> str:
        """The kind of index that it is now, see `IndexConfig.spec`."""
        return self._state.spec

    def add(self, ids: Ids, embeddings: Embeddings) -> None:
        """Append rows.

        Args:
            ids: (n,) int64, none of them in the index.
            embeddings: (n, D) float32.

        Raises:
            DimensionError: the rows have another dimension, or their number differs from the number of ids.
        """
        rows = np.ascontiguousarray(embeddings, np.float32)
        if rows.shape != (len(ids), self.dim):
            raise DimensionError(f"{len(ids)} ids came with rows of shape {rows.shape}; expected (n, {self.dim})")
        if len(ids):
            self._state.delta.add(np.asarray(ids, np.int64), rows)

    def upsert(self, ids: Ids, embeddings: Embeddings) -> int:
        """Add rows, replacing those with the same ids; return how many were replaced.

        Raises:
            DimensionError: as in `add`.
            ValueError: an id is given twice.
        """
        if len(np.unique(ids)) != len(ids):
            raise ValueError("an id is given twice in one upsert")
        if np.shape(embeddings) != (len(ids), self.dim):
            raise DimensionError(f"rows have shape {np.shape(embeddings)}; expected ({len(ids)}, {self.dim})")
        replaced = self.remove(ids)
        self.add(ids, embeddings)
        return replaced

    def remove(self, ids: Ids) -> int:
        """Delete rows and ignore ids that are not in the index; return how many rows were deleted."""
        return sum(part.remove(np.asarray(ids, np.int64)) for part in self._parts)

    def search(self, queries: Embeddings, k: int, *, allowed: Ids | Mask | None = None) -> tuple[Scores, Ids]:
        """Find the `k` best rows for each query, best first.

        Args:
            queries: (Q, D) float32.
            k: K, results per query.
            allowed: which ids may be returned: sorted distinct ids, or one boolean for each id from 0 on; None for
                all.

        Returns:
            (Q, K) scores and (Q, K) ids; where fewer rows exist, -inf and -1 fill the rest.

        Raises:
            DimensionError: the queries have another dimension.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise DimensionError(f"queries have shape {queries.shape}; expected (Q, {self.dim})")
        queries = np.ascontiguousarray(queries, np.float32)
        parts = [(part, part.filter_for(allowed)) for part in self._parts if len(part)]
        found = [part.search(queries, k, row_filter, self._state.tuning) for part, row_filter in parts]
        is_whole = len(found) == 1 and found[0][0].shape[1] == k
        return found[0] if is_whole else _filled(found, len(queries), k)

    def search_exact(self, queries: Embeddings, k: int) -> tuple[Scores, Ids]:
        """Search without the approximate index; return (Q, K) scores and ids as `search` does."""
        exact = (RowGroup(part.rows, part.all_ids, None, part.deleted) for part in self._parts)
        queries = np.ascontiguousarray(queries, np.float32)
        return _filled([part.search(queries, k, part.filter_for(None), None) for part in exact], len(queries), k)

    def reconstruct(self, ids: Ids) -> Embeddings:
        """Return the (n, D) rows of some ids, in the order of the ids and the precision in which they are stored.

        Raises:
            KeyError: an id is not in the index.
        """
        rows = np.empty((len(ids), self.dim), np.float32)
        is_missing = np.ones(len(ids), np.bool_)
        for part in self._parts:
            positions = part.find(np.asarray(ids, np.int64))
            is_here = positions != NO_ID
            rows[is_here] = part.rows.decoded_at(positions[is_here])
            is_missing &= ~is_here
        if is_missing.any():
            raise KeyError("an id is not in the index")
        return rows

    def sample(self, count: int) -> Embeddings:
        """Return at most `count` rows, spread evenly over all; the same ones as long as the index does not change."""
        ids = self.ids
        return self.reconstruct(ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(np.int64))])

    @property
    def needs_compaction(self) -> bool:
        """Whether enough has changed to call `compact`, or the index has grown enough to be tuned again."""
        base, delta = self._state.base, self._state.delta
        changed = len(delta) + base.deleted_count
        is_outgrown = self._state.tuning is not None and self._state.tuning.is_outgrown(len(self))
        return is_outgrown or changed > COMPACT_SHARE * len(base) or (changed > 0 and len(base) <= SMALL_ROWS)

    def compact(self) -> None:
        """Build one base from all live rows, of the kind that the rule chooses for them, and tune it.

        Where the kind stays the same, codes are copied: no row is used for training, assigned to a list or encoded
        again. Readers of the old files can go on reading them.
        """
        wanted = self.config.spec_for(len(self), self.dim)
        spec = self.spec if can_keep(self.spec, wanted) else wanted
        before = self._state
        base = build(spec, [before.base, before.delta], dim=self.dim, is_new=spec != before.spec)
        tuning = before.tuning if spec == before.spec else None
        if tuning is None or tuning.is_outgrown(len(base)):
            tuning = tuned(base, self.config.target_recall)
        self._state = IndexState(spec, base, empty_delta(base), tuning)

    @property
    def _parts(self) -> tuple[RowGroup, RowGroup]:
        return self._state.base, self._state.delta


def empty_delta(base: RowGroup) -> RowGroup:
    """Create a row group without rows, of the number type and the training of a base."""
    approximate = base.approximate.emptied() if base.approximate is not None else None
    return RowGroup(FlatVectors.empty(base.rows.dim, base.rows.dtype), np.empty(0, np.int64), approximate)


def dtype_for(spec: str) -> str:
    """Return the type of the rows of an index of some kind: `float32` or `float16`."""
    return spec if spec in EXACT else FLOAT16


def _no_rows(dim: int, dtype: str) -> RowGroup:
    return RowGroup(FlatVectors.empty(dim, dtype), np.empty(0, np.int64))


def _filled(found: list[Results], queries: int, k: int) -> Results:
    """Merge several results into one of exactly `k` columns."""
    scores = np.hstack([np.full((queries, k), -np.inf, np.float32), *(part for part, _ in found)])
    ids = np.hstack([np.full((queries, k), NO_ID, np.int64), *(part for _, part in found)])
    return top_k(scores, ids, k)


def build(spec: str, parts: Sequence[RowGroup], *, dim: int, is_new: bool) -> RowGroup:
    """Build one row group from the live rows of several.

    Args:
        spec: the kind of index to build.
        parts: row groups, in the order that the rows shall have.
        dim: D.
        is_new: train, even if the parts have a trained index.
    """
    use_blas_for_batches(dim)
    rows = FlatVectors.empty(dim, dtype_for(spec))
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
    queries = group.rows.decoded_at(positions)
    if isinstance(group.approximate, Graph):
        queries, positions = _moved(queries, group.rows), np.full(count, NOT_A_ROW)

    def search(k: int, parameter: int, stride: int) -> Scores:
        return _without_self(_searched(group, queries[::stride], k + 1, parameter), positions[::stride])

    use_blas_for_batches(group.rows.dim)
    truth = _without_self(_scanned(group.rows, queries, depth + 1), positions)
    return tune(search, group.approximate.search_parameters, truth, target_recall=target_recall, rows=len(group))


def _scanned(rows: FlatVectors, queries: Embeddings, k: int) -> Results:
    if rows.file is None:
        return scan(rows.index, queries, k)
    return top_k_of_blocks(queries, k, rows.blocks())


def _searched(group: RowGroup, queries: Embeddings, k: int, parameter: int) -> Results:
    """Search the approximate index of a row group; the rows of a streamed file are rescored a few at a time."""
    if group.approximate is None or group.rows.file is None:
        return group.search_with(queries, k, parameter)
    positions = group.approximate.find_candidates(queries, k, parameter)
    scores = np.full(positions.shape, -np.inf, np.float32)
    for row, own, query in zip(scores, positions, queries, strict=True):
        is_found = own != NO_ID
        row[is_found] = group.rows.decoded_at(own[is_found]) @ query
    return top_k(scores, positions, k)


def _approximate(spec: str, parts: Sequence[RowGroup], rows: FlatVectors, *, is_new: bool) -> ApproximateIndex:
    old = [(part.approximate, part.live_positions) for part in parts if part.approximate is not None]
    if not is_new and len(old) == len(parts):
        return old[0][0].joined(old, rows)
    try:
        approximate = train(spec, rows)
        approximate.fill(rows)
    except RuntimeError as error:
        shape = f"{len(rows)} rows of {rows.dim} dimensions"
        raise UnknownSpecError(f"Faiss cannot build {spec!r} from {shape}: {str(error).split(': ')[-1]}") from error
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
