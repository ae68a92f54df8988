"""Ids that never repeat, and a manifest that says what is wrong with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.encoders.base import EncoderOptions
from unite_search.errors import (
    CollectionNotFoundError,
    DamagedCollectionError,
    EncoderUnavailableError,
    UniteSearchError,
)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roots": [5]}, "`roots` is [5]; expected a list of paths"),
        ({"roots": "x"}, "`roots` is 'x'; expected a list of paths"),
        ({"segments": float("nan")}, "`segments` is None; expected a number of seconds above 0, none or shots"),
        ({"segments": "abc"}, "`segments` is 'abc'"),
        ({"segments": True}, "`segments` is True"),
        ({"dim": "5"}, "`dim` is '5'; expected a number above 0"),
        ({"dim": 0}, "`dim` is 0"),
        ({"next_id": -1}, "`next_id` is -1; expected a number from 0 on"),
        ({"encoder": None}, "`encoder` is None; expected a name"),
        ({"encoder_options": {"zzz": 1}}, "`encoder_options` is {'zzz': 1}; expected options of the encoder"),
        ({"index": {"zzz": 1}}, "`index` has an unknown key"),
        ({"follow_links": "no"}, "`follow_links` is 'no'; expected true or false"),
        ({"format_version": "9"}, "`format_version` is '9'; expected a number above 0"),
        ({"format_version": -1}, "`format_version` is -1"),
        ({"zzz": 1}, "unknown key 'zzz'"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write(tmp_path)
    fields = json.loads((tmp_path / FILE_NAME).read_text())
    fields.pop("checksum")
    (tmp_path / FILE_NAME).write_text(json.dumps({**fields, **change}))
    with pytest.raises(DamagedCollectionError, match=re.escape(f"{tmp_path / FILE_NAME} is damaged: {message}")):
        CollectionMetadata.read(tmp_path)


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    metadata = replace(CollectionMetadata.read(tmp_path), encoder="nope")
    with pytest.raises(EncoderUnavailableError, match=r"built by an encoder that is not there: .*nope"):
        metadata.load_encoder(tmp_path, None, EncoderOptions())


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    fields = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**fields, "format_version": 5}))
    with pytest.raises(UniteSearchError, match="format 5"):
        CollectionMetadata.read(tmp_path)
