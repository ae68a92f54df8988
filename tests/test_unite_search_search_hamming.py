"""All pairs of near hashes are found, as by comparing each with each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_search.search import hamming
from unite_search.search.hamming import bit_counts, blocks, near_pairs

HASHES = st.integers(0, 2**64 - 1)
FLIPS = st.lists(st.integers(0, 63), max_size=12)


def naive(hashes: list[int], most_bits: int) -> list[list[int]]:
    return [
        [left, right]
        for left in range(len(hashes))
        for right in range(left + 1, len(hashes))
        if (hashes[left] ^ hashes[right]).bit_count() <= most_bits
    ]


@given(st.lists(HASHES))
def test_ones_are_counted(values: list[int]) -> None:
    assert bit_counts(np.array(values, np.uint64)).tolist() == [value.bit_count() for value in values]


@settings(max_examples=12)
@given(st.lists(HASHES, min_size=1, max_size=4), st.lists(FLIPS, max_size=12), st.integers(0, 9), st.booleans())
def test_pairs_are_those_of_comparing_each_with_each(
    seeds: list[int], changes: list[list[int]], most_bits: int, has_few: bool
) -> None:
    changed = [seeds[place % len(seeds)] ^ sum(1 << bit for bit in set(bits)) for place, bits in enumerate(changes)]
    hashes = list(dict.fromkeys([*seeds, *changed]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "FEW", 100 if has_few else 0)
        patch.setattr(hamming, "BLOCK_PAIRS", 3)
        assert near_pairs(np.array(hashes, np.uint64), most_bits).tolist() == naive(hashes, most_bits)


def test_thousands_of_hashes_with_planted_pairs() -> None:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 2**63, 4000, dtype=np.uint64)
    near = first[:200].copy()
    for _ in range(8):
        near ^= np.uint64(1) << generator.integers(0, 63, 200).astype(np.uint64)
    hashes = np.concatenate([first, near])
    assert {(place, 4000 + place) for place in range(200)} <= set(map(tuple, near_pairs(hashes, 8).tolist()))


def test_a_band_that_all_share_costs_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """5000 hashes that are equal in two bands of three: only the third finds pairs, within a bit."""
    monkeypatch.setattr(hamming, "MOST_IN_BUCKET", 100)
    hashes = np.random.default_rng(0).permutation(1 << 20)[:5000].astype(np.uint64)
    places = {int(value): place for place, value in enumerate(hashes.tolist())}
    one_bit = {
        (min(place, places[value ^ (1 << bit)]), max(place, places[value ^ (1 << bit)]))
        for value, place in places.items()
        for bit in range(20)
        if value ^ (1 << bit) in places
    }
    assert set(map(tuple, near_pairs(hashes, 3).tolist())) == one_bit


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 12))
def test_blocks_cover_everything_and_are_bounded(sizes: list[int], most: int) -> None:
    cut = list(blocks(np.cumsum(np.array(sizes, np.int64)), most))
    assert [place for low, high in cut for place in range(low, high)] == list(range(len(sizes)))
    assert all(high == low + 1 or sum(sizes[low:high]) <= most for low, high in cut)
