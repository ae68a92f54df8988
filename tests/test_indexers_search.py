"""Recall, filters, the rule and the tuning, against brute force in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from indexers import blocks, row_filter
from indexers.engine import faiss
from indexers.faiss_index import FaissIndex
from indexers.flat import FlatVectors
from indexers.row_filter import RowFilter
from indexers.spec import IndexConfig, can_keep, choose
from indexers.tune import Tuning, recalls_of, sure_recall

DIM = 48
COUNT = 6000
QUERIES = 60
TOP = 10


def clustered(count: int, seed: int) -> np.ndarray:
    centres = np.random.default_rng(0).normal(size=(60, DIM))
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(60, size=count)] + 0.7 * rng.normal(size=(count, DIM))
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32))


ROWS = clustered(COUNT, 1)
ASKED = clustered(QUERIES, 2)


@pytest.fixture(scope="module", params=["int8", "IVF64,int8", "IVF64,Flat", "HNSW16,SQ8"])
def index(request: pytest.FixtureRequest) -> FaissIndex:
    index = FaissIndex(DIM, IndexConfig(spec=request.param))
    index.add(np.arange(COUNT), ROWS)
    index.compact()
    return index


def ann_recall(index: FaissIndex, allowed: np.ndarray | None = None) -> float:
    competing = np.arange(COUNT) if allowed is None else allowed
    truth = competing[np.argsort(-(ASKED @ ROWS[competing].T), axis=1)[:, :TOP]]
    found = index.search(ASKED, TOP, allowed=allowed)[1]
    return float(np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)]))


def test_a_tuned_index_reaches_its_target_on_new_queries(index: FaissIndex) -> None:
    assert index._state.tuning is not None
    assert ann_recall(index) >= 0.97


def test_a_graph_is_tuned_for_queries_that_are_not_in_it() -> None:
    rng = np.random.default_rng(5)
    rows, asked = (rng.normal(size=(count, 24)).astype(np.float32) for count in (4000, 300))
    index = FaissIndex(24, IndexConfig(spec="HNSW8"))
    index.add(np.arange(len(rows)), rows)
    index.compact()
    truth = np.argsort(-(asked @ rows.T), axis=1)[:, :TOP]
    found = index.search(asked, TOP)[1]
    assert np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)]) >= 0.988


@pytest.mark.parametrize("spec", ["float32", "float16", "int8", "SQ8"])
def test_a_batch_is_answered_like_single_queries(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "FEWEST_ROWS", 1900)
    monkeypatch.setattr(blocks, "BLOCK_VALUES", 700 * DIM)
    monkeypatch.setattr(faiss, "omp_get_max_threads", lambda: 3)
    index = FaissIndex(DIM, IndexConfig(spec=spec))
    index.add(np.arange(COUNT), ROWS)
    index.compact()
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", 1 << 30)
    scores, ids = index.search(ASKED, TOP)
    assert faiss.cvar.distance_compute_blas_threshold < len(ASKED) * DIM
    alone = [index.search(query[None], TOP) for query in ASKED]
    assert np.allclose(scores, np.vstack([one for one, _ in alone]), atol=1e-5)
    assert np.mean(ids == np.vstack([one for _, one in alone])) >= 0.99


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_a_filter_keeps_the_recall(index: FaissIndex, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(row_filter, "GATHER_ROWS", 20)
    allowed = np.flatnonzero(np.random.default_rng(3).random(COUNT) < share)
    assert ann_recall(index, allowed) >= ann_recall(index) - 0.01


def test_a_filter_far_from_the_query_still_gives_k_results(index: FaissIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_filter, "GATHER_ROWS", 5)
    monkeypatch.setattr(row_filter, "GATHER_SHARE", 0)
    farthest = np.sort(np.argsort(ROWS @ ASKED[0])[:40])
    scores, ids = index.search(ASKED[:1], 30, allowed=farthest)
    assert (ids >= 0).all()
    assert np.isin(ids, farthest).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("share", [0.004, 0.2, 0.97])
def test_the_three_regimes_of_exact_rows_answer_alike(dtype: str, share: float) -> None:
    rows = FlatVectors.empty(DIM, dtype)
    rows.add(ROWS)
    passing = RowFilter.of_mask(np.random.default_rng(4).random(COUNT) < share)
    expected = np.sort(ASKED @ ROWS[passing.positions].T, axis=1)[:, ::-1][:, :TOP]
    for queries in (ASKED[:1], ASKED):
        for search in (rows.search_gathered, rows.search_selected, rows.search_widened):
            scores, positions = search(queries, TOP, passing)
            assert np.allclose(scores, expected[: len(queries)], atol=1e-4)
            assert passing.mask[positions].all()


def test_large_components_do_not_spoil_int8_codes() -> None:
    rows, asked = ROWS.copy(), ASKED.copy()
    rows[:, 3] += 3
    asked[:, 3] += 3
    index = FaissIndex(DIM, IndexConfig(spec="int8"))
    index.add(np.arange(COUNT), rows)
    index.compact()
    truth = np.argsort(-(asked @ rows.T), axis=1)[:, :TOP]
    found = index.search(asked, TOP)[1]
    assert np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)]) >= 0.98


def test_a_row_much_longer_than_those_of_the_training_is_cut_off_not_wrapped_around() -> None:
    index = FaissIndex(DIM, IndexConfig(spec="int8"))
    index.add(np.arange(COUNT), ROWS)
    index.compact()
    index.add(np.arange(COUNT, 2 * COUNT), np.vstack([30 * ASKED[:1], ROWS[1:]]))
    scores, ids = index.search(ASKED[:1], 3)
    assert ids[0, 0] == COUNT
    assert scores[0, 0] == pytest.approx(30, rel=1e-3)


def test_a_third_of_the_rows_replaced_without_training_keeps_the_recall() -> None:
    index = FaissIndex(DIM, IndexConfig(spec="IVF64,int8"))
    index.add(np.arange(COUNT), clustered(COUNT, 9))
    index.compact()
    index.upsert(np.arange(COUNT // 3), ROWS[: COUNT // 3])
    index.compact()
    index.upsert(np.arange(COUNT // 3, COUNT), ROWS[COUNT // 3 :])
    assert ann_recall(index) >= 0.97


def test_the_curve_is_measured_again_after_growth_by_half() -> None:
    index = FaissIndex(DIM, IndexConfig(spec="IVF16,int8"))
    for start, end, measured_at in ((0, 2000, 2000), (2000, 2900, 2000), (2900, 3000, 3000)):
        index.add(np.arange(start, end), ROWS[start:end])
        if index.needs_compaction:
            index.compact()
        assert index._state.tuning is not None
        assert index._state.tuning.rows == measured_at


def test_the_parameter_lies_between_the_measured_ones_and_grows_with_depth_by_hand() -> None:
    tuning = Tuning(
        target_recall=0.9,
        rows=100,
        search_parameters=(1, 4, 16),
        depths=(10, 1000),
        recalls=((0.8, 0.95, 1.0), (0.2, 0.5, 0.89)),
        query_ms=(1, 2, 3),
    )
    assert [tuning.parameter_for(depth) for depth in (1, 10, 100, 1000, 9000)] == [3, 3, 7, 16, 16]
    assert [tuning.is_outgrown(rows) for rows in (149, 150)] == [False, True]


def test_recall_counts_equal_scores_as_equal() -> None:
    truth = np.array([[0.9, 0.5, 0.5]], np.float32)
    assert recalls_of(np.array([[0.9, 0.5, 0.5]], np.float32), truth).tolist() == [1]
    assert recalls_of(np.array([[0.9, 0.5, 0.4]], np.float32), truth) == pytest.approx([2 / 3])


def test_recall_is_taken_for_less_when_few_queries_say_it() -> None:
    truth = np.ones((100, 1), np.float32)
    found = np.where(np.arange(100) < 90, 1, 0).astype(np.float32)[:, None]
    assert sure_recall(found, truth) == pytest.approx(0.9 - 1.645 * 0.3 / 10)
    assert sure_recall(truth, truth) == 1


@pytest.mark.parametrize(
    ("count", "dim", "options", "expected"),
    [
        (1000, 384, {}, "float32"),
        (100_000, 384, {}, "float32"),
        (200_000, 384, {}, "int8"),
        (1_000_000, 384, {}, "IVF4096,int8"),
        (100_000, 1536, {}, "IVF1024,int8"),
        (1_000_000, 384, {"target_recall": 1}, "float32"),
        (1_000_000, 384, {"target_recall": 1, "memory_bytes": 1 << 30}, "float16"),
        (100_000, 384, {"memory_bytes": 50_000_000}, "int8"),
        (100_000, 384, {"memory_bytes": 1_000_000}, "IVF1024,int8"),
    ],
)
def test_the_rule(count: int, dim: int, options: dict[str, float], expected: str) -> None:
    assert choose(count, dim, **options) == expected  # type: ignore[arg-type]


def test_cells_stay_until_the_rule_wants_four_times_as_many() -> None:
    assert can_keep("IVF512,int8", "IVF1024,int8")
    assert not can_keep("IVF512,int8", "IVF2048,int8")
    assert not can_keep("IVF512,int8", "int8")
    assert can_keep("float32", "float32")
