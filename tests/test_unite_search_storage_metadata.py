"""Ids that never repeat, and a manifest that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.errors import CollectionNotFoundError, UniteSearchError
from unite_search.storage.metadata import FILE_NAME, CollectionMetadata, IdCounter


def write(folder: Path) -> None:
    CollectionMetadata(encoder="toy", fingerprint="toy-1", dim=4).write(folder)


@given(takes=st.lists(st.tuples(st.integers(0, 100_000), st.booleans()), max_size=12))
def test_no_id_is_given_twice_whether_a_run_closes_or_crashes(
    tmp_path_factory: pytest.TempPathFactory, takes: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("c")
    write(folder)
    end = 0
    for count, closes in takes:
        counter = IdCounter(folder, used_below=0)
        ids = counter.take(count)
        assert ids.start >= end
        assert len(ids) == count
        end = ids.stop
        if closes:
            counter.close()
            assert CollectionMetadata.read(folder).next_id == end
    assert CollectionMetadata.read(folder).next_id >= end


def test_ids_start_above_what_the_catalog_holds_even_if_the_manifest_was_restored(tmp_path: Path) -> None:
    write(tmp_path)
    assert IdCounter(tmp_path, used_below=500).take(1).start == 500


def test_a_missing_manifest_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="unite-search index"):
        CollectionMetadata.read(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"encoder": "x"}', '{"roots": 3}', "null"])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UniteSearchError, match=FILE_NAME):
        CollectionMetadata.read(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    fields = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**fields, "format_version": 4}))
    with pytest.raises(UniteSearchError, match="format 4"):
        CollectionMetadata.read(tmp_path)
