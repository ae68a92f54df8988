"""`FaissIndex`: one partition that changes while it is searched, with int64 ids of the caller.

It is a large `base`, which may be a memory-mapped file and never changes, and what came since, `fresh`. Both are
searched, and removed rows are masked in both. `fold` makes one new base of the two once enough has changed: codes are
copied, nothing is trained again unless the rule of `spec.py` now wants another kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexers.build import build, tuned
from indexers.engine import NO_ID, Embeddings, Ids, Mask, best
from indexers.errors import DimensionError
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup
from indexers.spec import FLOAT32, IndexConfig, serves
from indexers.tune import Tuning

SMALL_ROWS = 20_000
"""So few rows are always folded: a file of this size is written in no time."""
FOLD_SHARE = 0.25
"""Of the base's rows, so many new and dead ones are kept apart from it before they are folded."""


@dataclass(slots=True)
class State:
    """What an index consists of.

    Attributes:
        spec: of the base.
        base: most of the rows.
        fresh: rows added since.
        tuning: the measured curve of the base; None for exact kinds and before the first measurement.
    """

    spec: str
    base: RowGroup
    fresh: RowGroup
    tuning: Tuning | None = None


class FaissIndex:
    """Inner-product search over (N, D) rows with ids.

    Attributes:
        dim: D.
        config: what the caller decided.
        state: the parts, for those who store them.
    """

    def __init__(self, dim: int, config: IndexConfig | None = None, state: State | None = None) -> None:
        self.dim = dim
        self.config = config or IndexConfig()
        self.state = state or State(FLOAT32, _no_rows(dim, FLOAT32), _no_rows(dim, FLOAT32))

    def __len__(self) -> int:
        return sum(len(part) - part.dead_count for part in self._parts)

    @property
    def ids(self) -> Ids:
        """(N,) int64 ids, oldest row first."""
        return np.concatenate([part.ids for part in self._parts])

    @property
    def spec(self) -> str:
        """What the index is now."""
        return self.state.spec

    def add(self, ids: Ids, embeddings: Embeddings) -> None:
        """Append rows.

        Args:
            ids: (n,) int64, none of them in the index.
            embeddings: (n, D) float32.

        Raises:
            DimensionError: the rows have another length, or there is not one id for each.
        """
        rows = np.ascontiguousarray(embeddings, np.float32)
        if rows.shape != (len(ids), self.dim):
            raise DimensionError(f"{len(ids)} ids came with rows of shape {rows.shape}; expected (n, {self.dim})")
        if len(ids):
            self.state.fresh.add(np.asarray(ids, np.int64), rows)

    def upsert(self, ids: Ids, embeddings: Embeddings) -> int:
        """Add rows in place of those that have the same ids; returns how many were replaced.

        Raises:
            DimensionError: as `add`.
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
        """Take rows out; ids that are not there are passed over. Returns how many went."""
        return sum(part.remove(np.asarray(ids, np.int64)) for part in self._parts)

    def search(self, queries: Embeddings, k: int, *, allowed: Ids | Mask | None = None) -> tuple[Embeddings, Ids]:
        """Find the `k` best rows for each query, best first.

        Args:
            queries: (Q, D) float32.
            k: K, results a query.
            allowed: what may be returned: sorted distinct ids, or booleans that say it of each id from 0 on; None for
                everything.

        Returns:
            (Q, K) scores and (Q, K) ids; where fewer rows exist, -inf and -1 fill the rest.

        Raises:
            DimensionError: the queries have another length.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise DimensionError(f"queries have shape {queries.shape}; expected (Q, {self.dim})")
        queries = np.ascontiguousarray(queries, np.float32)
        parts = [(part, part.chosen(allowed)) for part in self._parts if len(part)]
        found = [part.search(queries, k, chosen, self.state.tuning) for part, chosen in parts]
        is_whole = len(found) == 1 and found[0][0].shape[1] == k
        return found[0] if is_whole else _filled(found, len(queries), k)

    def search_exact(self, queries: Embeddings, k: int) -> tuple[Embeddings, Ids]:
        """As `search`, without the approximate index: (Q, K) scores and ids."""
        exact = (RowGroup(part.rows, part.all_ids, None, part.dead) for part in self._parts)
        queries = np.ascontiguousarray(queries, np.float32)
        return _filled([part.search(queries, k, part.chosen(None), None) for part in exact], len(queries), k)

    def reconstruct(self, ids: Ids) -> Embeddings:
        """The (n, D) rows of some ids, in their order, as precise as they are stored.

        Raises:
            KeyError: an id is not there.
        """
        rows = np.empty((len(ids), self.dim), np.float32)
        is_missing = np.ones(len(ids), np.bool_)
        for part in self._parts:
            positions = part.find(np.asarray(ids, np.int64))
            is_here = positions != NO_ID
            rows[is_here] = part.rows.take(positions[is_here])
            is_missing &= ~is_here
        if is_missing.any():
            raise KeyError("an id is not in the index")
        return rows

    def sample(self, count: int) -> Embeddings:
        """At most `count` rows, spread evenly over all; the same as long as the index does not change."""
        ids = self.ids
        return self.reconstruct(ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(np.int64))])

    @property
    def is_due(self) -> bool:
        """Whether enough has changed for `fold`, or the index has grown enough to be tuned again."""
        base, fresh = self.state.base, self.state.fresh
        changed = len(fresh) + base.dead_count
        is_outgrown = self.state.tuning is not None and self.state.tuning.is_outgrown(len(self))
        return is_outgrown or changed > FOLD_SHARE * len(base) or (changed > 0 and len(base) <= SMALL_ROWS)

    def fold(self) -> None:
        """Make one base of everything that lives, of the kind that the rule wants for it, and tune it.

        Rows go from old to new without being trained on, assigned or encoded again where the kind stays. Whoever
        reads the old files goes on reading them.
        """
        wanted = self.config.spec_for(len(self), self.dim)
        spec = self.spec if serves(self.spec, wanted) else wanted
        before = self.state
        base = build(spec, [before.base, before.fresh], dim=self.dim, is_new=spec != before.spec)
        fresh = RowGroup(
            FlatVectors.empty(self.dim, base.rows.dtype), np.empty(0, np.int64), base.kind and base.kind.emptied()
        )
        tuning = before.tuning if spec == before.spec else None
        if tuning is None or tuning.is_outgrown(len(base)):
            tuning = tuned(base, self.config.target_recall)
        self.state = State(spec, base, fresh, tuning)

    @property
    def _parts(self) -> tuple[RowGroup, RowGroup]:
        return self.state.base, self.state.fresh


def _no_rows(dim: int, dtype: str) -> RowGroup:
    return RowGroup(FlatVectors.empty(dim, dtype), np.empty(0, np.int64))


def _filled(found: list[tuple[Embeddings, Ids]], queries: int, k: int) -> tuple[Embeddings, Ids]:
    """One list of exactly `k` columns from several."""
    scores = np.hstack([np.full((queries, k), -np.inf, np.float32), *(part for part, _ in found)])
    ids = np.hstack([np.full((queries, k), NO_ID, np.int64), *(part for _, part in found)])
    return best(scores, ids, k)
