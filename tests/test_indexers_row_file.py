"""Partitions that are built from a stream: they answer like those that are built in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from indexers.engine import faiss
from indexers.errors import DimensionError
from indexers.flat import FlatVectors
from indexers.partitioned import PartitionedIndex
from indexers.row_file import RowFile, file_parts
from indexers.spec import IndexConfig

DIM, ROWS = 24, 3000
SPECS = ["float32", "float16", "int8", "IVF16,int8", "IVF16,Flat", "HNSW16"]


def rows(count: int = ROWS, seed: int = 0) -> np.ndarray:
    """Clustered float16 rows, as the catalog holds them."""
    chance = np.random.default_rng(seed)
    drawn = chance.normal(size=(20, DIM))[chance.integers(0, 20, count)] + 0.3 * chance.normal(size=(count, DIM))
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(unit.astype(np.float16).astype(np.float32))


def batches(ids: np.ndarray, embeddings: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start, end in pairwise([0, 1, 700, 700, 2100, len(ids)]):
        yield ids[start:end], embeddings[start:end]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("count", [0, 1, 500])
def test_the_file_is_what_faiss_itself_writes(dtype: str, count: int) -> None:
    given = rows(500)[:count]
    whole = FlatVectors.empty(DIM, dtype)
    whole.add(given)
    parts = file_parts(FlatVectors.empty(DIM, dtype).index, dtype, count, [given[:7], given[7:]])
    assert b"".join(parts) == faiss.serialize_index(whole.index).tobytes()


@pytest.mark.parametrize("spec", SPECS)
def test_a_streamed_partition_answers_like_one_built_in_memory(tmp_path: Path, spec: str) -> None:
    given, ids = rows(), np.random.default_rng(1).permutation(10 * ROWS)[:ROWS].astype(np.int64)
    config = IndexConfig(spec=spec)
    plain = PartitionedIndex.create(tmp_path / "plain", dim=DIM, fingerprint="toy-1", config=config)
    plain.add("image", ids, given)
    plain.save(version=1)
    streamed = PartitionedIndex.create(tmp_path / "streamed", dim=DIM, fingerprint="toy-1", config=config)
    streamed.fill("image", batches(ids, given), count=ROWS)
    streamed.save(version=1)
    opened = PartitionedIndex.open(tmp_path / "streamed", dim=DIM, fingerprint="toy-1", config=config)
    assert (opened.problems, opened.verify(), opened.version) == ([], [], 1)
    assert opened.ids("image").tolist() == ids.tolist()
    assert opened.partition("image").spec == spec
    queries = rows(50, seed=2)
    scores, found = plain.search(["image"], queries, 10)["image"]
    for index in (streamed, opened):
        assert np.array_equal(index.reconstruct("image", ids), given)
        assert np.array_equal(index.sample("image"), plain.sample("image"))
        others, other_ids = index.search(["image"], queries, 10)["image"]
        assert np.mean([np.isin(a, b).mean() for a, b in zip(found, other_ids, strict=True)]) > 0.97
        assert np.abs(others - scores).max() < 0.05
    assert sorted(path.suffix for path in (tmp_path / "streamed").iterdir()) == sorted(
        path.suffix for path in (tmp_path / "plain").iterdir()
    )


@pytest.mark.parametrize("spec", ["float32", "IVF16,int8"])
def test_a_streamed_partition_can_be_changed(tmp_path: Path, spec: str) -> None:
    given = rows()
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1", config=IndexConfig(spec=spec))
    index.fill("image", batches(np.arange(ROWS), given), count=ROWS)
    index.save(version=1)
    index.remove(np.arange(0, 2000))
    index.add("image", np.array([ROWS]), -given[:1])
    index.save(version=2)
    opened = PartitionedIndex.open(tmp_path, dim=DIM, fingerprint="toy-1")
    assert opened.verify() == []
    assert opened.ids("image").tolist() == [*range(2000, ROWS + 1)]
    assert np.array_equal(opened.reconstruct("image", np.array([ROWS, 2500])), [-given[0], given[2500]])


def test_too_few_rows_too_many_and_a_partition_that_is_there_are_refused(tmp_path: Path) -> None:
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1")
    for count in (ROWS - 1, ROWS + 1):
        with pytest.raises(DimensionError, match=f"{ROWS} rows came; expected {count}"):
            index.fill("image", batches(np.arange(ROWS), rows()), count=count)
    assert index.names() == []
    index.fill("image", batches(np.arange(ROWS), rows()), count=ROWS)
    with pytest.raises(ValueError, match=f"holds {ROWS} rows"):
        index.fill("image", batches(np.arange(ROWS), rows()), count=ROWS)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_are_read_from_their_file_as_from_memory(tmp_path: Path, dtype: str) -> None:
    given = rows(9000)
    path = tmp_path / "rows.faiss"
    path.write_bytes(b"".join(file_parts(FlatVectors.empty(DIM, dtype).index, dtype, len(given), [given])))
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    flat = FlatVectors(index, file=RowFile(path, count=len(given), row_bytes=index.code_size))
    assert np.array_equal(np.concatenate(list(flat.blocks())), given)
    positions = np.array([8999, 0, 17, 17, 4096])
    assert np.array_equal(flat.decoded_at(positions), given[positions])
    assert np.array_equal(flat.take(positions), given[positions])
    assert flat.codes_at(np.empty(0, np.int64)).shape == (0, index.code_size)
