"""`RowGroup`: rows under ids, the approximate index over them if there is one, and which of them are still alive.

A removed row stays where it is and is masked, so any kind of index can forget. Rows are only ever appended, which
keeps positions stable; `fold` in `faiss_index.py` makes a new segment without the dead.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from indexers import blocks
from indexers.approximate import ApproximateIndex, Scan
from indexers.engine import NO_ID, Embeddings, Ids, Mask, Positions, best, faiss, search
from indexers.flat import WIDEN_MARGIN, FlatVectors
from indexers.idtable import IdTable
from indexers.row_filter import RowFilter, are_few
from indexers.tune import Tuning

WIDENING = 1.25


class RowGroup:
    """N rows, some of them dead.

    Attributes:
        rows: the embeddings.
        kind: finds candidates among them; None where they are compared exactly.
        dead: (N,) which rows were removed; None while all live.
    """

    def __init__(
        self, rows: FlatVectors, ids: Ids, kind: ApproximateIndex | None = None, dead: Mask | None = None
    ) -> None:
        self.rows = rows
        self.kind = kind
        self.dead = dead
        self._table = IdTable(ids)
        self._living: tuple[Mask, RowFilter] | None = None

    def __len__(self) -> int:
        return len(self.all_ids)

    @property
    def all_ids(self) -> Ids:
        """(N,) ids by position, the dead among them."""
        return self._table.ids

    @property
    def ids(self) -> Ids:
        """Ids of the living, by position."""
        return self.all_ids if self.dead is None else self.all_ids[~self.dead]

    @property
    def living(self) -> Positions:
        """Positions that are not dead, sorted."""
        return np.arange(len(self)) if self.dead is None else np.flatnonzero(~self.dead)

    @property
    def dead_count(self) -> int:
        """How many rows were removed."""
        return 0 if self.dead is None else int(np.count_nonzero(self.dead))

    def add(self, ids: Ids, embeddings: Embeddings) -> None:
        """Append (n, D) float32 rows under ids of which none is alive."""
        self.rows.add(embeddings)
        if self.kind is not None:
            self.kind.add(embeddings)
        self._table = IdTable(np.concatenate([self.all_ids, ids]))
        if self.dead is not None:
            self.dead = np.concatenate([self.dead, np.zeros(len(ids), np.bool_)])
        self.__dict__.pop("_refined", None)

    def remove(self, ids: Ids) -> int:
        """Mask the rows of some ids; returns how many were alive."""
        positions = self.find(ids)
        positions = np.unique(positions[positions != NO_ID])
        if len(positions):
            dead = np.zeros(len(self), np.bool_) if self.dead is None else self.dead.copy()
            dead[positions] = True
            self.dead = dead
        return len(positions)

    def find(self, ids: Ids) -> Positions:
        """(n,) positions of some ids, -1 for those that are not there or dead."""
        positions = self._table.find(ids)
        if self.dead is not None:
            positions[self.dead[positions] & (positions != NO_ID)] = NO_ID
        return positions

    def chosen(self, allowed: Ids | Mask | None) -> RowFilter | None:
        """The living positions of allowed ids (ids, or a bit for each id); None where that is all."""
        if allowed is None:
            return self._alive()
        if allowed.dtype != np.bool_ and are_few(len(allowed), len(self)):
            positions = self.find(np.asarray(allowed, np.int64))
            return RowFilter.of_positions(_rising(positions[positions != NO_ID]), len(self))
        mask = self._table.mask(allowed)
        return RowFilter.of_mask(mask if self.dead is None else mask & ~self.dead)

    def search(
        self, queries: Embeddings, k: int, chosen: RowFilter | None, tuning: Tuning | None
    ) -> tuple[Embeddings, Ids]:
        """Find the `k` best of what is chosen, or all of it where it is less.

        Returns:
            (Q, K') scores and ids, best first, K' at most `k`.
        """
        k = min(k, len(self) if chosen is None else chosen.count)
        if not k:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        if self.kind is None or (chosen is not None and (chosen.is_for_gathering or not self.kind.can_filter)):
            scores, positions = self.rows.search(queries, k, chosen)
        else:
            scores, positions = self._search_candidates(queries, k, chosen, tuning)
        return scores, self.all_ids[positions]

    def search_with(
        self, queries: Embeddings, k: int, effort: int, chosen: RowFilter | None = None
    ) -> tuple[Embeddings, Positions]:
        """Search the approximate index with a given effort; positions are -1 where it found fewer than `k`."""
        if self.kind is None:
            return self.rows.search(queries, k, chosen)
        count = min(len(self), k * effort)
        if chosen is None and isinstance(self.kind, Scan) and blocks.pays(queries, count):
            return self.rows.rescore(queries, self.kind.candidates_of_batch(queries, count), k)
        parameters = self.kind.parameters(effort, None if chosen is None else chosen.bitmap)
        return search(self._refined, queries, k, parameters)

    def _alive(self) -> RowFilter | None:
        """What is not dead, kept with its bitmap as long as that is so; None where it is all."""
        dead, known = self.dead, self._living
        if dead is None:
            return None
        if known is None or known[0] is not dead:
            self._living = known = dead, RowFilter.of_mask(~dead)
        return known[1]

    def _search_candidates(
        self, queries: Embeddings, k: int, chosen: RowFilter | None, tuning: Tuning | None
    ) -> tuple[Embeddings, Positions]:
        effort = self._effort(k, chosen, tuning)
        if chosen is not None and chosen.is_for_widening and isinstance(self.kind, Scan):
            scores, positions = self._search_widened(queries, k, effort, chosen)
        else:
            scores, positions = self.search_with(queries, k, effort, chosen)
        if NO_ID in positions[:, -1].tolist():
            is_short = positions[:, -1] == NO_ID
            scores[is_short], positions[is_short] = self.rows.search(queries[is_short], k, chosen)
        return scores, positions

    def _search_widened(
        self, queries: Embeddings, k: int, effort: int, chosen: RowFilter
    ) -> tuple[Embeddings, Positions]:
        """Search without restriction, for so many more results that the chosen ones among them nearly always do."""
        wide = min(len(self), int(WIDENING * k / chosen.share) + WIDEN_MARGIN)
        scores, positions = self.search_with(queries, wide, effort)
        is_chosen = (positions != NO_ID) & chosen.mask[positions]
        return best(np.where(is_chosen, scores, -np.inf), np.where(is_chosen, positions, NO_ID), k)

    def _effort(self, k: int, chosen: RowFilter | None, tuning: Tuning | None) -> int:
        if tuning is not None:
            return tuning.effort_for(k if chosen is None else k / chosen.share)
        return 1 if self.kind is None else self.kind.effort

    @cached_property
    def _refined(self) -> Any:
        return None if self.kind is None else faiss.IndexRefine(self.kind.index, self.rows.index)


def _rising(positions: Positions) -> Positions:
    """Sorted without repetition, which they nearly always are already."""
    return positions if bool((np.diff(positions) > 0).all()) else np.unique(positions)
