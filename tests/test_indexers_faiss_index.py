"""One Faiss index: batches, upserts, refusals. Random histories are in test_indexers_live.py."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from indexers import faiss_index, spec
from indexers.errors import DimensionError
from indexers.faiss_index import FaissIndex
from indexers.spec import IndexConfig

DIM = 8


def rows_for(ids: list[int]) -> np.ndarray:
    """Unit rows that depend on the id only."""
    rows = np.stack([np.random.default_rng(id_ % 2**32).normal(size=DIM) for id_ in ids] or [np.empty(DIM)])[: len(ids)]
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).reshape(-1, DIM))


def as_ids(ids: list[int]) -> np.ndarray:
    return np.array(ids, np.int64)


def test_a_batch_of_queries_answers_like_each_alone() -> None:
    index = FaissIndex(DIM)
    index.add(np.arange(3000), rows_for(list(range(3000))))
    queries = rows_for(list(range(5000, 5040)))
    scores, ids = index.search(queries, 10)
    for query, row_scores, row_ids in zip(queries, scores, ids, strict=True):
        alone_scores, alone_ids = index.search(query[None], 10)
        assert alone_ids[0].tolist() == row_ids.tolist()
        assert np.allclose(alone_scores[0], row_scores, atol=1e-5)


def test_reconstruct_gives_rows_in_the_order_asked_and_refuses_unknown_ids() -> None:
    index = FaissIndex(DIM)
    index.add(as_ids([7, 3, 9]), rows_for([7, 3, 9]))
    assert np.array_equal(index.reconstruct(as_ids([9, 7])), rows_for([9, 7]))
    with pytest.raises(KeyError):
        index.reconstruct(as_ids([9, 8]))
    with pytest.raises(KeyError):
        FaissIndex(DIM).reconstruct(as_ids([1]))


def test_wrong_shapes_are_refused_with_both_numbers() -> None:
    index = FaissIndex(DIM)
    with pytest.raises(DimensionError, match=r"\(1, 9\).*\(n, 8\)"):
        index.add(as_ids([1]), np.zeros((1, 9), np.float32))
    with pytest.raises(DimensionError, match=r"\(8,\)"):
        index.search(np.zeros(8, np.float32), 1)


def test_an_upsert_replaces_what_is_there_and_refuses_an_id_given_twice() -> None:
    index = FaissIndex(DIM)
    index.add(as_ids([1, 2, 3]), rows_for([1, 2, 3]))
    assert index.upsert(as_ids([3, 4]), rows_for([30, 40])) == 1
    assert np.array_equal(index.reconstruct(as_ids([3, 4, 1])), rows_for([30, 40, 1]))
    with pytest.raises(ValueError, match="twice"):
        index.upsert(as_ids([5, 5]), rows_for([5, 5]))
    with pytest.raises(DimensionError):
        index.upsert(as_ids([1]), np.zeros((1, 9), np.float32))
    assert len(index) == 4


def test_an_index_moves_to_the_next_kind_as_it_grows_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "MOST_EXACT_VALUES", 500 * DIM)
    monkeypatch.setattr(spec, "MOST_SCANNED_VALUES", 1000 * DIM)
    monkeypatch.setattr(spec, "FEWEST_ROWS_IN_CELLS", 500)
    index, specs = FaissIndex(DIM), []
    for start in range(0, 1500, 500):
        index.add(np.arange(start, start + 500), rows_for(list(range(start, start + 500))))
        index.compact()
        specs.append(index.spec)
    index.remove(np.arange(1400))
    index.compact()
    assert [*specs, index.spec] == ["float32", "int8", "IVF128,int8", "float32"]
    assert index.ids.tolist() == list(range(1400, 1500))


def test_compaction_trains_only_where_the_kind_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    index = FaissIndex(DIM, IndexConfig(spec="IVF16,int8"))
    index.add(np.arange(1000), rows_for(list(range(1000))))
    index.compact()
    monkeypatch.setattr(faiss_index, "train", None)
    index.add(np.arange(1000, 1400), rows_for(list(range(1000, 1400))))
    index.remove(np.arange(100))
    index.compact()
    assert (len(index._state.base), len(index._state.delta), index.spec) == (1300, 0, "IVF16,int8")


def test_without_faiss_the_message_names_both_extras() -> None:
    code = "import sys; sys.modules['faiss'] = None\nimport indexers.faiss_index"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "FaissMissingError" in run.stderr
    assert "install the extra `cpu` or `gpu`, see README, Install" in run.stderr
