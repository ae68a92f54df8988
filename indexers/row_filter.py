"""`RowFilter`: the positions that may be returned, and which of three ways of searching among them is quickest.

- **gather**: few positions; their rows are put together and compared exactly, whatever the index. Single queries on
  float32 rows always do this, in place;
- **select**: the bits go down into Faiss, which passes over the others while it scans (`IDSelectorBitmap`);
- **widen**: nearly all positions; search as if all were allowed, for more results, and leave out the wrong ones.

The bounds between them are measured by `python -m benchmarks speed filters`, see docs/indexers.md.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from indexers.engine import Mask, Positions, faiss

GATHER_SHARE = 0.02
GATHER_ROWS = 2_000
"""So few are always gathered."""
WIDEN_SHARE = 0.5


def are_few(count: int, total: int) -> bool:
    """Whether so many out of `total` rows are best gathered."""
    return count <= max(GATHER_ROWS, GATHER_SHARE * total)


class RowFilter:
    """A set of positions out of `total`.

    Attributes:
        total: N, positions there are.
        count: how many are chosen.
    """

    def __init__(self, total: int, count: int) -> None:
        self.total = total
        self.count = count

    @classmethod
    def of_positions(cls, positions: Positions, total: int) -> RowFilter:
        """Given as sorted distinct positions."""
        chosen = cls(total, len(positions))
        chosen.positions = positions
        return chosen

    @classmethod
    def of_mask(cls, mask: Mask) -> RowFilter:
        """Given as (total,) bits."""
        chosen = cls(len(mask), int(np.count_nonzero(mask)))
        chosen.mask = mask
        return chosen

    @property
    def share(self) -> float:
        """Of the positions, the part that is chosen."""
        return self.count / self.total if self.total else 0.0

    @property
    def is_for_gathering(self) -> bool:
        """Whether the rows are few enough to be put together."""
        return are_few(self.count, self.total)

    @property
    def is_for_widening(self) -> bool:
        """Whether so many are chosen that a plain search for more results finds them."""
        return self.share >= WIDEN_SHARE

    @cached_property
    def positions(self) -> Positions:
        """(count,) sorted."""
        return np.flatnonzero(self.mask)

    @cached_property
    def mask(self) -> Mask:
        """(total,) one bit a position."""
        mask = np.zeros(self.total, np.bool_)
        mask[self.positions] = True
        return mask

    @cached_property
    def bitmap(self) -> faiss.IDSelectorBitmap:
        """The same for Faiss."""
        return faiss.IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))
