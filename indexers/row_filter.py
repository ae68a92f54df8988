"""`RowFilter`: the positions that a search may return, and which of three ways of searching among them is fastest.

- **gather**: few positions; collect their rows and compare them exactly, whatever the index. Single queries on float32
  rows always do this, without copying;
- **select**: pass the filter to Faiss as a bitmap, which skips the other rows while it scans (`IDSelectorBitmap`);
- **widen**: nearly all positions; search without the filter for more results, and drop those that it excludes.

The thresholds between them are measured by `python -m benchmarks speed filters`; see docs/explanation/index-kinds.md.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from indexers.arrays import Mask, Positions
from indexers.engine import faiss

GATHER_SHARE = 0.02
GATHER_ROWS = 2_000
"""At most this many rows are always gathered."""
WIDEN_SHARE = 0.5


def are_few(count: int, total: int) -> bool:
    """Return whether `count` out of `total` rows are few enough to be gathered."""
    return count <= max(GATHER_ROWS, GATHER_SHARE * total)


class RowFilter:
    """A subset of `total` positions.

    Attributes:
        total: N, the number of positions.
        count: the number of positions in the subset.
    """

    def __init__(self, total: int, count: int) -> None:
        self.total = total
        self.count = count

    @classmethod
    def of_positions(cls, positions: Positions, total: int) -> RowFilter:
        """Create a filter from sorted distinct positions."""
        row_filter = cls(total, len(positions))
        row_filter.positions = positions
        return row_filter

    @classmethod
    def of_mask(cls, mask: Mask) -> RowFilter:
        """Create a filter from (total,) booleans."""
        row_filter = cls(len(mask), int(np.count_nonzero(mask)))
        row_filter.mask = mask
        return row_filter

    @property
    def share(self) -> float:
        """The share of all positions that passes the filter."""
        return self.count / self.total if self.total else 0.0

    @property
    def is_for_gathering(self) -> bool:
        """Whether the rows are few enough to be gathered."""
        return are_few(self.count, self.total)

    @property
    def is_for_widening(self) -> bool:
        """Whether so many rows pass that an unfiltered search for more results finds enough of them."""
        return self.share >= WIDEN_SHARE

    @cached_property
    def positions(self) -> Positions:
        """The (count,) positions, sorted."""
        return np.flatnonzero(self.mask)

    @cached_property
    def mask(self) -> Mask:
        """(total,) booleans, one for each position."""
        mask = np.zeros(self.total, np.bool_)
        mask[self.positions] = True
        return mask

    @cached_property
    def bitmap(self) -> faiss.IDSelectorBitmap:
        """The filter as a Faiss selector."""
        return faiss.IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))
