"""Sizes in tiers, by which small pieces are merged into larger ones: each row is rewritten once per tier.

Source: O'Neil, Cheng, Gawlick and O'Neil, The log-structured merge-tree (1996); this is the tiered form of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

TIER = 8
"""So many pieces of one tier become one of the next, which is as many times as large."""


def tier_of(size: int) -> int:
    """Return the tier of a piece of `size` rows: 0 for 1 to 7 rows, 1 for 8 to 63, and so on."""
    tier = 0
    while size >= TIER:
        size //= TIER
        tier += 1
    return tier


def full_tier(sizes: Sequence[int]) -> int | None:
    """Return the highest tier with eight pieces: it and all lower ones are to be merged; None if there is none."""
    tiers = Counter(map(tier_of, sizes))
    return max((tier for tier, count in tiers.items() if count >= TIER), default=None)
