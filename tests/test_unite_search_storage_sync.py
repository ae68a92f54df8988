"""Bringing partitions in step with the catalog, on a catalog in memory, by comparing the rows on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexers.partitioned import PartitionedIndex
from unite_search.storage.sync import NO_IDS, Step, apply, fill, steps, sync

DIM = 4


class MemoryCatalog:
    """Ids by partition; the vector of an id is made from its number."""

    def __init__(self, **ids: list[int]) -> None:
        self.ids = {name.replace("_", "+"): some for name, some in ids.items()}
        self.asked: list[list[int]] = []

    def ids_by_partition(self) -> dict[str, NDArray[np.int64]]:
        return {name: np.array(ids, np.int64) for name, ids in self.ids.items()}

    def embeddings(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Three rows a batch."""
        self.asked.append(ids.tolist())
        for start in range(0, len(ids), 3):
            yield ids[start : start + 3], vectors(ids[start : start + 3])


def vectors(ids: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.stack([np.random.default_rng(id_).normal(size=DIM) for id_ in ids.tolist()]).astype(np.float32)


@pytest.fixture
def partitions(tmp_path: Path) -> PartitionedIndex:
    return PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="x")


def is_in_step(partitions: PartitionedIndex, catalog: MemoryCatalog) -> bool:
    expected = catalog.ids
    found = {name: sorted(partitions.ids(name).tolist()) for name in partitions.names()}
    rows = {name: partitions.reconstruct(name, np.array(ids)) for name, ids in expected.items() if name in found}
    return found == expected and all(
        np.array_equal(rows[name], vectors(np.array(ids))) for name, ids in expected.items()
    )


def test_missing_items_come_and_those_that_are_gone_go(partitions: PartitionedIndex) -> None:
    first = MemoryCatalog(text=[0, 4, 7, 8, 9], image=[1, 2, 3])
    assert sync(partitions, first) == 8  # type: ignore[arg-type]
    assert is_in_step(partitions, first)
    second = MemoryCatalog(text=[4, 8, 11], image=[2, 12, 13, 14, 15], text_image=[20])
    assert sync(partitions, second) == (3 + 2) + (1 + 4 + 1)  # type: ignore[arg-type]
    assert is_in_step(partitions, second)


def test_a_second_time_nothing_changes(partitions: PartitionedIndex) -> None:
    catalog = MemoryCatalog(text=[0, 4], image=[1])
    sync(partitions, catalog)  # type: ignore[arg-type]
    assert list(steps(partitions, catalog)) == []  # type: ignore[arg-type]
    assert sync(partitions, catalog) == 0  # type: ignore[arg-type]
    assert is_in_step(partitions, catalog)


def test_only_what_is_missing_is_read(partitions: PartitionedIndex) -> None:
    sync(partitions, MemoryCatalog(text=[0, 4], image=[1]))  # type: ignore[arg-type]
    catalog = MemoryCatalog(text=[0, 4, 5], image=[1])
    sync(partitions, catalog)  # type: ignore[arg-type]
    assert [ids for ids in catalog.asked if ids] == [[5]]


def test_a_partition_that_is_gone_altogether_is_emptied(partitions: PartitionedIndex) -> None:
    sync(partitions, MemoryCatalog(text=[0, 4], image=[1]))  # type: ignore[arg-type]
    catalog = MemoryCatalog(image=[1])
    assert sync(partitions, catalog) == 2  # type: ignore[arg-type]
    assert partitions.names() == ["image"]
    assert NO_IDS.size == 0
    empty = MemoryCatalog()
    assert sync(partitions, empty) == 1  # type: ignore[arg-type]
    assert partitions.names() == []


def test_steps_remove_before_they_add_and_change_nothing_themselves(partitions: PartitionedIndex) -> None:
    sync(partitions, MemoryCatalog(text=[0, 4]))  # type: ignore[arg-type]
    catalog = MemoryCatalog(text=[4, 6, 7, 8, 9], image=[1])
    todo = list(steps(partitions, catalog))  # type: ignore[arg-type]
    assert [(step.name, step.ids.tolist(), step.embeddings is None) for step in todo] == [
        ("text", [0], True),
        ("text", [6, 7, 8], False),
        ("text", [9], False),
        ("image", [1], False),
    ]
    assert partitions.ids("text").tolist() == [0, 4]
    assert apply(partitions, todo) == 6
    assert is_in_step(partitions, catalog)


def test_applying_nothing_changes_nothing(partitions: PartitionedIndex) -> None:
    assert apply(partitions, []) == 0
    assert apply(partitions, [Step("text", np.array([3]), vectors(np.array([3])))]) == 1
    assert partitions.ids("text").tolist() == [3]


class DamagedCatalog(MemoryCatalog):
    """A catalog in which the vector of id 3 differs from its checksum."""

    def embeddings(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        for some, rows in super().embeddings(ids):
            yield some[some != 3], rows[some != 3]


def test_a_large_partition_with_a_damaged_vector_names_it(
    partitions: PartitionedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexers.partitioned.MOST_ADDED_VALUES", 5 * DIM)
    damaged: list[int] = []
    catalog = DamagedCatalog(image=[1, 2, 3, 4, 5, 6, 7], text=[11, 12, 13, 14, 15, 16])
    assert fill(partitions, catalog) == 6, "the texts"  # type: ignore[arg-type]
    assert sync(partitions, catalog, damaged) == 6  # type: ignore[arg-type]
    assert damaged == [3]
    assert partitions.ids("image").tolist() == [1, 2, 4, 5, 6, 7]
    assert partitions.ids("text").tolist() == [11, 12, 13, 14, 15, 16]
