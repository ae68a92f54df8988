"""`RowGroup`: rows with ids, the approximate index over them if there is one, and a mask of the deleted rows.

A deleted row stays in place and is masked, so that any kind of index can delete. Rows are only ever appended, which
keeps positions stable; `FaissIndex.compact` builds a new row group from the live rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from indexers.approximate import ApproximateIndex, Scan
from indexers.arrays import NO_ID, Embeddings, Ids, Mask, Positions, Results
from indexers.engine import faiss, is_scanned_in_blocks, search, top_k
from indexers.flat import WIDEN_MARGIN, FlatVectors
from indexers.row_filter import RowFilter, are_few
from indexers.tune import Tuning

WIDENING = 1.25
TABLE_FACTOR = 16
"""Ids whose range is at most this many times their number are looked up in a table of booleans."""


class RowGroup:
    """N rows, some of which may be deleted.

    Attributes:
        rows: the embeddings.
        approximate: finds candidates among them; None where all rows are compared exactly.
        deleted: (N,) which rows were deleted; None if none were.
    """

    def __init__(
        self, rows: FlatVectors, ids: Ids, approximate: ApproximateIndex | None = None, deleted: Mask | None = None
    ) -> None:
        self.rows = rows
        self.approximate = approximate
        self.deleted = deleted
        self._table = IdTable(ids)
        self._live: tuple[Mask, RowFilter] | None = None

    def __len__(self) -> int:
        return len(self.all_ids)

    @property
    def all_ids(self) -> Ids:
        """(N,) ids by position, including those of deleted rows."""
        return self._table.ids

    @property
    def ids(self) -> Ids:
        """The ids of the live rows, by position."""
        return self.all_ids if self.deleted is None else self.all_ids[~self.deleted]

    @property
    def live_positions(self) -> Positions:
        """The positions of the live rows, sorted."""
        return np.arange(len(self)) if self.deleted is None else np.flatnonzero(~self.deleted)

    @property
    def deleted_count(self) -> int:
        """The number of deleted rows."""
        return 0 if self.deleted is None else int(np.count_nonzero(self.deleted))

    def add(self, ids: Ids, embeddings: Embeddings) -> None:
        """Append (n, D) float32 rows; none of the ids may belong to a live row."""
        self.rows.add(embeddings)
        if self.approximate is not None:
            self.approximate.add(embeddings)
        self._table = IdTable(np.concatenate([self.all_ids, ids]))
        if self.deleted is not None:
            self.deleted = np.concatenate([self.deleted, np.zeros(len(ids), np.bool_)])
        self.__dict__.pop("_refined", None)

    def remove(self, ids: Ids) -> int:
        """Mask the rows of some ids; return how many of them were live."""
        positions = self.find(ids)
        positions = np.unique(positions[positions != NO_ID])
        if len(positions):
            deleted = np.zeros(len(self), np.bool_) if self.deleted is None else self.deleted.copy()
            deleted[positions] = True
            self.deleted = deleted
        return len(positions)

    def find(self, ids: Ids) -> Positions:
        """Return the (n,) positions of some ids, -1 for ids that are absent or deleted."""
        positions = self._table.find(ids)
        if self.deleted is not None:
            positions[self.deleted[positions] & (positions != NO_ID)] = NO_ID
        return positions

    def filter_for(self, allowed: Ids | Mask | None) -> RowFilter | None:
        """Return a filter for the live rows of allowed ids (ids, or one boolean per id); None if every row passes."""
        if allowed is None:
            return self._live_filter()
        if allowed.dtype != np.bool_ and are_few(len(allowed), len(self)):
            positions = self.find(np.asarray(allowed, np.int64))
            return RowFilter.of_positions(_sorted(positions[positions != NO_ID]), len(self))
        mask = self._table.mask(allowed)
        return RowFilter.of_mask(mask if self.deleted is None else mask & ~self.deleted)

    def search(self, queries: Embeddings, k: int, row_filter: RowFilter | None, tuning: Tuning | None) -> Results:
        """Find the `k` best rows that pass the filter, or all of them if there are fewer.

        Returns:
            (Q, K') scores and ids, best first, K' at most `k`.
        """
        k = min(k, len(self) if row_filter is None else row_filter.count)
        if not k:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        if self.approximate is None or (
            row_filter is not None and (row_filter.is_for_gathering or not self.approximate.can_filter)
        ):
            scores, positions = self.rows.search(queries, k, row_filter)
        else:
            scores, positions = self._search_candidates(queries, k, row_filter, tuning)
        return scores, self.all_ids[positions]

    def search_with(self, queries: Embeddings, k: int, parameter: int, row_filter: RowFilter | None = None) -> Results:
        """Search the approximate index with a given search parameter.

        Returns:
            (Q, K) scores and positions; positions are -1 where fewer than `k` rows were found.
        """
        if self.approximate is None:
            return self.rows.search(queries, k, row_filter)
        count = min(len(self), k * parameter)
        if row_filter is None and isinstance(self.approximate, Scan) and is_scanned_in_blocks(queries, count):
            return self.rows.rescore(queries, self.approximate.candidates_of_batch(queries, count), k)
        selector = None if row_filter is None else row_filter.bitmap
        return search(self._refined, queries, k, self.approximate.faiss_parameters(parameter, selector))

    def _live_filter(self) -> RowFilter | None:
        """Return a filter for the live rows, cached with its bitmap until rows change; None if no row is deleted."""
        deleted, known = self.deleted, self._live
        if deleted is None:
            return None
        if known is None or known[0] is not deleted:
            self._live = known = deleted, RowFilter.of_mask(~deleted)
        return known[1]

    def _search_candidates(
        self, queries: Embeddings, k: int, row_filter: RowFilter | None, tuning: Tuning | None
    ) -> Results:
        parameter = self._search_parameter(k, row_filter, tuning)
        if row_filter is not None and row_filter.is_for_widening and isinstance(self.approximate, Scan):
            scores, positions = self._search_widened(queries, k, parameter, row_filter)
        else:
            scores, positions = self.search_with(queries, k, parameter, row_filter)
        if NO_ID in positions[:, -1].tolist():
            is_short = positions[:, -1] == NO_ID
            scores[is_short], positions[is_short] = self.rows.search(queries[is_short], k, row_filter)
        return scores, positions

    def _search_widened(self, queries: Embeddings, k: int, parameter: int, row_filter: RowFilter) -> Results:
        """Search without the filter, for so many more results that nearly always `k` of them pass it."""
        wide = min(len(self), int(WIDENING * k / row_filter.share) + WIDEN_MARGIN)
        scores, positions = self.search_with(queries, wide, parameter)
        passes = (positions != NO_ID) & row_filter.mask[positions]
        return top_k(np.where(passes, scores, -np.inf), np.where(passes, positions, NO_ID), k)

    def _search_parameter(self, k: int, row_filter: RowFilter | None, tuning: Tuning | None) -> int:
        if tuning is not None:
            return tuning.parameter_for(k if row_filter is None else k / row_filter.share)
        return 1 if self.approximate is None else self.approximate.default_parameter

    @cached_property
    def _refined(self) -> Any:
        return None if self.approximate is None else faiss.IndexRefine(self.approximate.index, self.rows.index)


def _sorted(positions: Positions) -> Positions:
    """Return positions sorted and distinct, as they nearly always are already."""
    return positions if bool((np.diff(positions) > 0).all()) else np.unique(positions)


class IdTable:
    """Ids by position. An id that occurs twice refers to its last position.

    Attributes:
        ids: (N,) int64 by position.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids

    def find(self, ids: Ids) -> Positions:
        """Return the (n,) positions of some ids, -1 for ids that are not present."""
        if not len(self.ids):
            return np.full(len(ids), NO_ID, np.int64)
        order = self._order
        places = np.searchsorted(self.ids, ids, side="right", sorter=order) - 1
        positions = places if order is None else order[places]
        return np.where((places >= 0) & (self.ids[positions] == ids), positions, NO_ID)

    def mask(self, allowed: Ids | Mask) -> Mask:
        """Return (N,) booleans: which positions hold an allowed id.

        Args:
            allowed: ids, or one boolean for each id from 0 on.
        """
        if allowed.dtype == np.bool_:
            return self._look_up(np.asarray(allowed, np.bool_), 0)
        first, last = self._range
        if last - first >= TABLE_FACTOR * max(len(self.ids), len(allowed)):
            mask = np.zeros(len(self.ids), np.bool_)
            positions = self.find(np.asarray(allowed, np.int64))
            mask[positions[positions != NO_ID]] = True
            return mask
        table = np.zeros(last - first + 1, np.bool_)
        table[allowed[(allowed >= first) & (allowed <= last)] - first] = True
        return self._look_up(table, first)

    def _look_up(self, table: Mask, first: int) -> Mask:
        """Return a boolean for each position, given one for each id from `first` on; other ids are not allowed."""
        low, high = self._range
        if low >= first and high < first + len(table):
            return table[low - first : high - first + 1] if self._are_consecutive else table[self.ids - first]
        inside = (self.ids >= first) & (self.ids < first + len(table))
        mask = np.zeros(len(self.ids), np.bool_)
        mask[inside] = table[self.ids[inside] - first]
        return mask

    @cached_property
    def _range(self) -> tuple[int, int]:
        return (int(self.ids.min()), int(self.ids.max())) if len(self.ids) else (0, 0)

    @cached_property
    def _are_consecutive(self) -> bool:
        return bool((np.diff(self.ids) == 1).all())

    @cached_property
    def _order(self) -> Positions | None:
        """Positions sorted by id; None where they are sorted already, as ids from a counter are."""
        return None if bool((self.ids[1:] >= self.ids[:-1]).all()) else np.argsort(self.ids, kind="stable")
