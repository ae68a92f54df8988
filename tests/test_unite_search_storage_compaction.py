"""Small changes write little, however large the collection is, and leave little behind."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from test_unite_search_storage_row_checksums import DIM, row
from toy import ToyEncoder

from indexers.tiers import TIER, full_tier, tier_of
from unite_search.collection import Collection
from unite_search.storage import compaction
from unite_search.storage.catalog import Catalog
from unite_search.storage.change import Change
from unite_search.storage.compaction import rows_to_merge


def test_tiers_are_powers_of_eight() -> None:
    assert [tier_of(size) for size in (0, 1, 7, 8, 63, 64, 511, 512)] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert full_tier([1] * 7) is None
    assert full_tier([1] * 8) == 0
    assert full_tier([9] * 8 + [1] * 3) == 1
    assert rows_to_merge([30_000, *[1] * 7]) == 0
    assert rows_to_merge([30_000, *[1] * 8]) == 8
    assert rows_to_merge([30_000, *[10] * 8, 1]) == 64


def test_a_row_is_rewritten_once_a_tier_and_fragments_stay_few(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path, dim=DIM)
    written, most = 0, 0
    known: set[str] = set()
    for id_ in range(150):
        catalog.commit(Change(new=[row(id_)]))
        catalog.compact()
        fragments = catalog._table.get_fragments()
        for fragment in fragments:
            names = {file.path for file in fragment.data_files()}
            written += 0 if names <= known else fragment.physical_rows
            known |= names
        most = max(most, len(fragments))
    assert catalog.count() == 150
    assert most <= 3 * TIER
    assert written <= 4 * 150


def test_fragments_with_many_deleted_rows_are_rewritten(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path, dim=DIM)
    catalog.commit(Change(new=[row(id_) for id_ in range(100)]))
    catalog.remove("id < 15")
    catalog.compact()
    assert catalog._table.get_fragments()[0].num_deletions == 15
    catalog.remove("id < 30")
    catalog.compact()
    assert [fragment.physical_rows for fragment in catalog._table.get_fragments()] == [70]


def test_old_versions_go_once_they_take_more_than_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SMALL_BYTES", 30_000)
    catalog = Catalog.create(tmp_path, dim=DIM)
    for id_ in range(60):
        catalog.commit(Change(new=[row(id_)]))
        catalog.compact()
    assert compaction.KEEP_LAST_VERSIONS <= len(catalog._table.versions()) < 60


def test_the_index_of_ids_is_brought_up_to_date_by_a_tenth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "INDEX_FROM_ROWS", 100)
    catalog = Catalog.create(tmp_path, dim=DIM)
    catalog.commit(Change(new=[row(id_) for id_ in range(100)]))
    catalog.compact()
    seen = set()
    for id_ in range(100, 125):
        catalog.commit(Change(new=[row(id_)]))
        catalog.compact()
        seen.add(catalog._table.stats.index_stats("id_idx")["num_unindexed_rows"])
        assert set(catalog.rows([0, id_], ["id"])) == {0, id_}
    assert 5 < max(seen) <= 13


def folder_files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def bytes_of_one_text(folder: Path, count: int) -> int:
    """Bytes in the files that one added text makes or replaces, in a collection of `count` items."""
    texts = folder / "texts"
    texts.mkdir(parents=True)
    words = random.Random(1)
    for number in range(count):
        (texts / f"{number}.txt").write_text(f"{number} {words.random()}")
    with Collection.open(folder / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([texts])
        sizes = []
        for number in range(5):
            before = folder_files(folder / "db")
            (texts / f"new{number}.txt").write_text(f"a new text {number}")
            collection.index([texts])
            after = folder_files(folder / "db")
            sizes.append(sum(path.stat().st_size for path, inode in after.items() if before.get(path) != inode))
    return int(np.median(sizes))


@pytest.mark.slow
def test_one_added_text_writes_no_more_in_a_large_collection(tmp_path: Path) -> None:
    few, many = bytes_of_one_text(tmp_path / "few", 200), bytes_of_one_text(tmp_path / "many", 2000)
    assert many < 1.5 * few
    assert many < 100_000
