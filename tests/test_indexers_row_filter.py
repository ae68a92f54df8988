"""The set of allowed rows, and every way of searching among them against brute force in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from indexers import row_filter
from indexers.faiss_index import FaissIndex
from indexers.flat import FlatVectors
from indexers.row_filter import RowFilter
from indexers.spec import IndexConfig

DIM, COUNT = 16, 5000
TOP = 10


def unit(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


ROWS, ASKED = unit(COUNT, 1), unit(12, 2)
COUNTS = {"none": 0, "one": 1, "few": 7, "two hundred": 200, "half": COUNT // 2, "nearly all": COUNT - 3, "all": COUNT}


def allowed_positions(count: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(count).permutation(COUNT)[:count])


def best_by_brute_force(queries: NDArray[np.float32], allowed: NDArray[np.int64]) -> NDArray[np.float32]:
    """(Q, K) scores of the best allowed rows, K at most `TOP`."""
    return np.sort(queries @ ROWS[allowed].T, axis=1)[:, ::-1][:, :TOP]


def test_tuned_constants() -> None:
    """Where `python -m benchmarks speed filters` saw one way become quicker, see docs/explanation/index-kinds.md."""
    assert (row_filter.GATHER_SHARE, row_filter.GATHER_ROWS, row_filter.WIDEN_SHARE) == (0.02, 2000, 0.5)


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        (0, 10, True),
        (2000, 2001, True),
        (2001, 2001, False),
        (2001, 100_000, False),
        (2000, 100_000, True),
        (4000, 200_000, True),
        (4001, 200_000, False),
    ],
)
def test_a_set_is_gathered_up_to_2000_rows_or_a_fiftieth(count: int, total: int, expected: bool) -> None:
    assert row_filter.are_few(count, total) is expected
    assert RowFilter(total, count).is_for_gathering is expected


@pytest.mark.parametrize(
    ("count", "total", "share", "is_for_widening"),
    [(0, 0, 0.0, False), (0, 4, 0.0, False), (1, 4, 0.25, False), (2, 4, 0.5, True), (3, 4, 0.75, True)],
)
def test_the_share_decides_about_widening(count: int, total: int, share: float, is_for_widening: bool) -> None:
    rows = RowFilter(total, count)
    assert (rows.total, rows.count) == (total, count)
    assert rows.share == share
    assert rows.is_for_widening is is_for_widening


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_positions_mask_and_bitmap_tell_of_the_same_rows(count: int) -> None:
    positions = allowed_positions(count)
    mask = np.isin(np.arange(COUNT), positions)
    for rows in (RowFilter.of_positions(positions, COUNT), RowFilter.of_mask(mask)):
        assert (rows.total, rows.count, rows.share) == (COUNT, count, count / COUNT)
        assert rows.positions.tolist() == positions.tolist()
        assert rows.mask.dtype == np.bool_
        assert rows.mask.tolist() == mask.tolist()
        assert [rows.bitmap.is_member(position) for position in range(COUNT)] == mask.tolist()


def test_what_was_given_is_not_computed_again() -> None:
    positions, mask = np.array([1, 3]), np.array([False, True, False, True])
    assert RowFilter.of_positions(positions, 4).positions is positions
    assert RowFilter.of_mask(mask).mask is mask


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "count", [count for count in COUNTS.values() if count], ids=[name for name in COUNTS if COUNTS[name]]
)
def test_every_way_of_searching_rows_finds_the_best_allowed_ones(dtype: str, count: int) -> None:
    rows = FlatVectors.empty(DIM, dtype)
    rows.add(ROWS)
    allowed = allowed_positions(count)
    k = min(TOP, count)
    for chosen in (RowFilter.of_positions(allowed, COUNT), RowFilter.of_mask(np.isin(np.arange(COUNT), allowed))):
        for queries in (ASKED[:1], ASKED):
            for search in (rows.search, rows.search_gathered, rows.search_selected, rows.search_widened):
                scores, positions = search(queries, k, chosen)
                assert np.allclose(scores, best_by_brute_force(queries, allowed), atol=1e-5)
                assert np.isin(positions, allowed).all()
                assert all(len(set(row)) == k for row in positions.tolist())


@pytest.mark.parametrize("spec", ["float32", "float16", "int8"])
@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_an_index_answers_from_what_is_allowed(spec: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With low bounds, so that 5,000 rows meet all three ways; ids are not positions; some rows were removed."""
    monkeypatch.setattr(row_filter, "GATHER_ROWS", 50)
    index = FaissIndex(DIM, IndexConfig(spec=spec))
    ids = np.arange(COUNT) + 100
    index.add(ids, ROWS)
    index.compact()
    removed = np.arange(0, COUNT, 50)
    index.remove(removed + 100)
    living = np.setdiff1d(allowed_positions(count), removed)
    for allowed in (ids[allowed_positions(count)], np.isin(np.arange(COUNT + 100), ids[allowed_positions(count)])):
        for queries in (ASKED[:1], ASKED):
            scores, found = index.search(queries, TOP, allowed=allowed)
            k = min(TOP, len(living))
            assert (found[:, k:] == -1).all()
            assert np.isneginf(scores[:, k:]).all()
            assert np.isin(found[:, :k] - 100, living).all()
            expected = best_by_brute_force(queries, living)
            differing = np.count_nonzero(~np.isclose(scores[:, :k], expected, atol=1e-5))
            assert differing <= (0.05 * expected.size if spec == "int8" else 0)
