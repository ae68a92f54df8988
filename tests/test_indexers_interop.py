"""Files of others: what Faiss, numpy and pyarrow wrote is read, and Faiss reads what we write."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexers import interop
from indexers.errors import DamagedIndexError, DimensionError
from indexers.faiss_index import FaissIndex
from indexers.interop import read_embeddings, read_faiss, write_faiss, write_infos
from indexers.spec import IndexConfig

DIM = 16
COUNT = 600


def unit(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("factory", "has_ids"), [("Flat", False), ("IDMap2,Flat", True), ("IVF8,Flat", True), ("HNSW8", False)]
)
def test_plain_faiss_files_are_read_with_their_ids(tmp_path: Path, factory: str, has_ids: bool) -> None:
    theirs = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    theirs.train(unit(COUNT))
    ids = np.random.default_rng(1).permutation(10_000)[:COUNT] if has_ids else np.arange(COUNT)
    if has_ids:
        theirs.add_with_ids(unit(COUNT), ids)
    else:
        theirs.add(unit(COUNT))
    faiss.write_index(theirs, str(tmp_path / "knn.index"))
    ours = read_faiss(tmp_path / "knn.index")
    assert np.array_equal(ours.reconstruct(ids), unit(COUNT))


@pytest.mark.parametrize("spec", ["float32", "float16", "int8", "IVF8,int8"])
def test_faiss_reads_what_we_write(tmp_path: Path, spec: str) -> None:
    index = FaissIndex(DIM, IndexConfig(spec=spec))
    index.add(np.arange(COUNT) * 3, unit(COUNT))
    index.remove(np.arange(10) * 3)
    write_faiss(index, tmp_path / "knn.index")
    theirs = faiss.read_index(str(tmp_path / "knn.index"))
    _, found = theirs.search(unit(COUNT)[10:60], 1)
    assert theirs.ntotal == COUNT - 10
    assert (found[:, 0] == np.arange(10, 60) * 3).mean() > 0.9


def test_another_metric_and_a_file_of_something_else_are_refused(tmp_path: Path) -> None:
    faiss.write_index(faiss.IndexFlatL2(DIM), str(tmp_path / "l2"))
    (tmp_path / "text").write_text("no index")
    with pytest.raises(ValueError, match="inner product"):
        read_faiss(tmp_path / "l2")
    with pytest.raises(DamagedIndexError, match="text"):
        read_faiss(tmp_path / "text")


@pytest.mark.parametrize("column", ["embedding", "embeddings"])
def test_folders_of_embeddings_are_read_in_the_order_of_their_names(tmp_path: Path, column: str) -> None:
    np.save(tmp_path / "b.npy", unit(5, 1).astype(np.float16))
    np.save(tmp_path / "a.npy", unit(4, 2))
    numbered = pa.table({"id": [70, 71, 72], column: list(unit(3, 3))})
    pq.write_table(numbered, tmp_path / "c.parquet")
    pq.write_table(numbered.drop_columns("id"), tmp_path / "d.parquet")
    ids, rows = zip(*read_embeddings(tmp_path), strict=True)
    assert [part.tolist() for part in ids] == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [70, 71, 72], [12, 13, 14]]
    assert np.array_equal(np.vstack(rows), np.vstack([unit(4, 2), unit(5, 1), unit(3, 3), unit(3, 3)]))


def test_folders_without_embeddings_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="parquet"):
        list(read_embeddings(tmp_path))
    pq.write_table(pa.table({"vector": [[1.0]]}), tmp_path / "a.parquet")
    with pytest.raises(DimensionError, match=r"vector.*embedding or embeddings"):
        list(read_embeddings(tmp_path))


def test_infos_have_the_keys_of_autofaiss_and_measured_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of this test the first search takes 1 ms, the second 2 ms, and the last, number 200, 200 ms."""
    clock = np.cumsum([seconds for number in range(1, 201) for seconds in (0.0, number / 1e3)])
    monkeypatch.setattr(interop, "perf_counter", iter(clock.tolist()).__next__)
    index = FaissIndex(DIM, IndexConfig(spec="IVF8,int8"))
    index.add(np.arange(COUNT), unit(COUNT))
    write_faiss(index, tmp_path / "knn.index")
    write_infos(index, tmp_path / "knn.index", tmp_path)
    infos = json.loads((tmp_path / "index_infos.json").read_text())
    assert infos["nb vectors"] == COUNT
    assert infos["vectors dimension"] == DIM
    assert infos["size in bytes"] == (tmp_path / "knn.index").stat().st_size
    assert infos["1-recall@20"] == 1
    assert infos["20-recall@20"] > 0.95
    assert infos["avg_search_speed_ms"] == pytest.approx(100.5)
    assert infos["99p_search_speed_ms"] == pytest.approx(198.01)
