from __future__ import annotations

import time
import tracemalloc

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, Qrel, R, ScoredDoc, Success, nDCG
from numpy.typing import NDArray

from benchmarks.quality import metrics
from benchmarks.quality.metrics import Judged, rank, rank_scores

NONE = np.empty(0, np.int64)
Floats = NDArray[np.float64]


def judged(relevant: list[int] | NDArray[np.int64], excluded: tuple[int, ...] = ()) -> Judged:
    return Judged(relevant=np.asarray(relevant, np.int64), excluded=np.array(excluded, np.int64))


@pytest.mark.parametrize("levels", [None, 4, 1], ids=["random", "tie-heavy", "all-tied"])
def test_agrees_with_trec_eval(levels: int | None) -> None:
    """trec_eval breaks ties by descending name: relevant ones named in front come last, as ours, lower grades first."""
    rng = np.random.default_rng(1)
    for number in range(60):
        scores = rng.random(80) if levels is None else rng.integers(levels, size=80) / 8
        relevant = rng.choice(80, size=rng.integers(1, 12), replace=False)
        grades = np.sort(rng.integers(1, 4, len(relevant)))
        names = {int(row): f"z{row:03}" for row in range(80)}
        names |= {int(row): f"a{99 - place:02}" for place, row in enumerate(relevant)}
        run = [ScoredDoc("q", names[row], float(scores[row])) for row in range(80)]
        qrels = [Qrel("q", names[int(row)], int(grade)) for row, grade in zip(relevant, grades, strict=True)]
        theirs = ir_measures.calc_aggregate([RR, nDCG @ 10, AP @ 10, R @ 5, Success @ 5], qrels, run)
        ranks = rank_scores(scores.copy(), judged(relevant), depth=0).ranks
        ours = {
            RR: metrics.reciprocal_rank(ranks),
            nDCG @ 10: metrics.ndcg_at(ranks, 10, grades),
            AP @ 10: metrics.average_precision_at(ranks, 10),
            R @ 5: metrics.recall_at(ranks, 5),
            Success @ 5: metrics.hit_rate_at(ranks, 5),
        }
        assert ours == pytest.approx(theirs, abs=1e-9), number


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_top_stands_in_the_order_of_the_ranks(levels: list[int], data: st.DataObject) -> None:
    relevant = data.draw(st.lists(st.sampled_from(range(len(levels))), unique=True, min_size=1))
    found = rank_scores(np.array(levels, float), judged(relevant), depth=len(levels))
    place = {int(row): number for number, row in enumerate(found.top, 1)}
    assert [place[row] for row in relevant] == list(found.ranks)
    assert list(found.top_scores) == sorted(map(float, levels), reverse=True)


def test_identical_vectors_are_no_hits() -> None:
    """Rows that BLAS multiplies in different ways at the edges of its blocks must tie all the same."""
    row = np.random.default_rng(0).normal(size=(1, 387)).astype(np.float32)
    rows = np.repeat(row / np.linalg.norm(row), 517, axis=0)
    found = list(rank(rows[:33], rows, [judged([number]) for number in range(33)], depth=1))
    assert {float(one.ranks[0]) for one in found} == {517.0}
    assert not any(one.top[0] == number for number, one in enumerate(found))


def test_excluded_rows_stand_last_even_when_relevant() -> None:
    found = rank_scores(np.array([0.9, 0.8, 0.7]), judged([0, 1], excluded=(0,)), depth=3)
    assert list(found.ranks) == [3, 1]
    assert list(found.top) == [1, 2]


def test_subset_ranks_count_only_the_subset() -> None:
    right = Judged(relevant=np.array([3, 0]), excluded=NONE, subset=np.array([3, 1, 2]))
    found = rank_scores(np.array([0.9, 0.8, 0.1, 0.5]), right, depth=2)
    assert found.subset
    assert list(found.subset.ranks) == [2, np.inf]
    assert list(found.subset.top) == [1, 3]
    assert list(found.ranks) == [3, 1]


def test_what_is_not_in_the_gallery_is_a_miss() -> None:
    assert list(rank_scores(np.array([0.5, 0.9]), judged([-1, 0]), depth=2).ranks) == [np.inf, 2]
    ranks = np.array([np.inf, 2.0])
    assert metrics.recall_at(ranks, 5) == 0.5
    assert metrics.average_precision_at(ranks, 5) == 0.25
    assert metrics.ndcg_at(np.array([np.inf]), 5) == 0
    assert metrics.reciprocal_rank(np.array([np.inf])) == 0


def test_circo_divides_average_precision_by_what_fits_into_the_depth() -> None:
    ranks = np.array([1.0, 2.0, 7.0])
    assert metrics.average_precision_at(ranks, 2, best=2) == 1.0


def test_blocks_give_the_same_and_keep_memory_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    queries, candidates = rng.normal(size=(1500, 16)), rng.normal(size=(1500, 16))
    right = [judged([number]) for number in range(1500)]
    whole = [one.ranks[0] for one in rank(queries, candidates, right, depth=5)]
    monkeypatch.setattr(metrics, "BLOCK_BYTES", 1 << 20)
    tracemalloc.start()
    blocked = [one.ranks[0] for one in rank(queries, candidates, right, depth=5)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    naive = (queries @ candidates.T >= np.sum(queries * candidates, axis=1)[:, None] - 1e-9).sum(axis=1)
    assert blocked == whole == list(naive)
    assert peak < 5 << 20 < queries.shape[0] * candidates.shape[0] * 8


def test_the_size_of_webvid_covr_takes_seconds() -> None:
    rng = np.random.default_rng(3)
    queries, candidates = (rng.normal(size=(2556, 512)).astype(np.float32) for _ in range(2))
    start = time.process_time()
    found = list(rank(queries, candidates, [judged([number]) for number in range(2556)], depth=50))
    assert len(found) == 2556
    assert time.process_time() - start < 8, "2 s on a quiet machine; see docs/results"


def test_bootstrap_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(4).random(1000) < 0.3
    half = 1.96 * values.std() / np.sqrt(1000)
    expected = (values.mean() - half, values.mean() + half)
    assert metrics.bootstrap_interval(values, np.mean) == pytest.approx(expected, abs=0.004)
    assert list(metrics.bootstrap_means(np.stack([values, 0 * values], axis=1)).ravel()) == pytest.approx(
        [*expected, 0, 0], abs=0.004
    )
    low, high = metrics.bootstrap_interval(np.arange(101.0), np.median)
    assert low < 50 < high


def test_permutation_sees_a_difference_and_no_difference() -> None:
    rng = np.random.default_rng(5)
    assert metrics.permutation_p_value(rng.normal(0.5, 1, 200)) < 0.001
    assert metrics.permutation_p_value(rng.normal(0, 1, 200)) > 0.05
    assert metrics.permutation_p_value(np.zeros(10)) == 1
    # Three wins of three: only all-plus and all-minus of the 8 sign patterns are as extreme.
    assert metrics.permutation_p_value([1, 1, 1]) == pytest.approx(0.25, abs=0.02)
