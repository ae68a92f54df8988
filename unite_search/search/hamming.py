"""Find all pairs of 64-bit hashes that differ in few bits, without comparing each with each.

Of hashes that differ in at most `r` bits, one of three bands of bits differs in at most `r // 3`. So the hashes are
sorted by a band, and each is looked up with every such change of its band. At a million hashes a band of 21 bits has
half a hash per value, so that hardly anything is compared in vain.

Source: Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012, section 3. We
join a set with itself, so that half of the look-ups suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Pairs = NDArray[np.int64]

BANDS = ((0, 21), (21, 21), (42, 22))
"""First bit and number of bits of each band."""
MOST_IN_BUCKET = 1024
"""A value of a band that more hashes share says too little to compare them all: blank pages, one template. Their pairs
are found by another band, or not at all."""
BLOCK_PAIRS = 1 << 21
FEW = 2048
"""Up to so many hashes, comparing each with each is faster."""


def distances(left: Hashes, right: Hashes | np.uint64) -> Ints:
    """Return in how many bits hashes differ; the shapes are broadcast."""
    return bit_counts(left ^ right)


def bit_counts(values: Hashes) -> Ints:
    """Return the number of ones in each value. `numpy.bitwise_count` would need NumPy 2.

    Source: Warren, "Hacker's Delight", 2nd edition, figure 5-2.
    """
    pairs = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    nibbles = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    octets = (nibbles + (nibbles >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: Ints = ((octets * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)
    return counts


def near_pairs(hashes: Hashes, most_bits: int) -> Pairs:
    """Return the places of all pairs of hashes that differ in at most `most_bits` bits.

    Args:
        hashes: (n,) different hashes.
        most_bits: the greatest number of bits.

    Returns:
        (m, 2) places, sorted, the smaller place of each pair first.
    """
    found = _all_near(hashes, most_bits) if len(hashes) <= FEW else _near_in_bands(hashes, most_bits)
    pairs = np.concatenate([np.empty((0, 2), np.int64), *(block for block in found if len(block))])
    return np.unique(pairs, axis=0)


def _near_in_bands(hashes: Hashes, most_bits: int) -> Iterator[Pairs]:
    """Yield blocks of pairs, a pair once for each band in which it is near."""
    for first, width in BANDS:
        keys = ((hashes >> np.uint64(first)) & np.uint64((1 << width) - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        for left, right in _Band(keys[order], width).candidates(most_bits // len(BANDS)):
            found = np.stack([order[left], order[right]], axis=1)
            is_near = distances(hashes[found[:, 0]], hashes[found[:, 1]]) <= most_bits
            yield np.sort(found[is_near], axis=1)


def _all_near(hashes: Hashes, most_bits: int) -> Iterator[Pairs]:
    step = max(1, BLOCK_PAIRS // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        left, right = np.nonzero(distances(hashes[start : start + step, None], hashes[None]) <= most_bits)
        pairs = np.stack([left + start, right], axis=1)
        yield pairs[pairs[:, 0] < pairs[:, 1]]


def _masks(width: int, most_bits: int) -> Iterator[int]:
    """Yield all values of `width` bits with at most so many ones."""
    for count in range(most_bits + 1):
        for bits in combinations(range(width), count):
            yield sum(1 << bit for bit in bits)


class _Band:
    """The sorted values of one band, where each value begins, and how many there are of it: 0 where too many are."""

    def __init__(self, keys: Ints, width: int) -> None:
        self._width = width
        self._keys = keys
        starts = np.searchsorted(keys, np.arange((1 << width) + 1))
        counts = np.diff(starts)
        self._starts = starts[:-1]
        self._counts = np.where(counts > MOST_IN_BUCKET, 0, counts)

    def candidates(self, most_bits: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield places of values that differ in at most so many bits, each pair once, in blocks."""
        usable = np.flatnonzero(self._counts[self._keys])
        keys = self._keys[usable]
        yield from _expanded(usable, usable + 1, self._starts[keys] + self._counts[keys] - usable - 1)
        if not most_bits:
            return
        for highest in range(self._width):
            is_lower = (keys >> highest) & 1 == 0
            lower, lower_keys = usable[is_lower], keys[is_lower]
            for mask in _masks(highest, most_bits - 1):
                wanted = lower_keys ^ (mask | 1 << highest)
                counts = self._counts[wanted]
                found = np.flatnonzero(counts)
                yield from _expanded(lower[found], self._starts[wanted[found]], counts[found])


def _expanded(places: Ints, starts: Ints, counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield each place beside each of the `counts` numbers from its start on, in blocks of bounded size."""
    totals = np.cumsum(counts)
    for low, high in blocks(totals, BLOCK_PAIRS):
        count = counts[low:high]
        offsets = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        yield np.repeat(places[low:high], count), np.repeat(starts[low:high], count) + offsets


def blocks(totals: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Cut what has the running totals into runs of about `most`, at least one each: yield first and end."""
    low, done = 0, 0
    while low < len(totals):
        high = max(low + 1, int(np.searchsorted(totals, done + most, side="right")))
        yield low, high
        low, done = high, int(totals[high - 1])
