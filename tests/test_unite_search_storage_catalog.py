"""The catalog's answers to conditions: hashes of any text, and filters that fail on a row."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.errors import FilterError
from unite_search.storage import file_checksums


@pytest.fixture
def collection(tmp_path: Path, media: Path) -> Collection:
    opened = Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True)
    opened.index([media])
    return opened


def test_a_hash_may_hold_a_quotation_mark(collection: Collection) -> None:
    """An import takes over the hashes of whoever wrote the export."""
    catalog = collection._store.catalog
    rows = [{**catalog.rows([1])[1], "id": 100 + place, "content_hash": "o'hara"} for place in range(2)]
    with collection._store.writing():
        catalog.append([rows])
    assert catalog.ids_of_hashes(["o'hara"]).tolist() == [100, 101]
    assert not {100, 101} & {hit.id for hit in collection.similar(100).hits}


def test_a_filter_that_fails_on_a_row_reads_no_checksums(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_whole(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(file_checksums, "checksum", read_whole)
    with pytest.raises(FilterError, match="CAST"):
        collection.count(where="CAST(name AS INT) > 1")
