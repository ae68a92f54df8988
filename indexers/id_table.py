"""`IdTable`: look up positions by id, in a sorted order of the (N,) ids of a row group that is built on first use."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from indexers.arrays import NO_ID, Ids, Mask, Positions

TABLE_FACTOR = 16
"""Ids whose range is at most this many times their number are looked up in a table of booleans."""


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
