"""Checksums of rows: the same after any way through the engine, and different after any change of a value."""

from __future__ import annotations

import json
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_search.storage.catalog import Catalog
from unite_search.storage.change import Change
from unite_search.storage.row_checksums import CHECKSUMS, ROW_CRC, VECTOR_CRC, CheckedRows, row_checksums
from unite_search.storage.rows import schema, to_table
from unite_search.storage.words import WORDS as WORDS_COLUMN

DIM = 8
WORDS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=6,
)


def row(id_: int = 7, **changed: object) -> dict[str, Any]:
    """A row with a value in every column."""
    vector = np.random.default_rng(id_).normal(size=DIM)
    return {
        "id": id_,
        "parent": id_,
        "modality": "image",
        "partition": "text+image",
        "uri": f"/photos/{id_}.jpg",
        "name": f"{id_}.jpg",
        "folder": "/photos",
        "size_bytes": 1234,
        "mtime_ns": 1_600_000_000_123_456_789,
        "content_hash": "ab" * 16,
        "recipe": "60",
        "embedding": vector / np.linalg.norm(vector),
        "modified_at": datetime(2020, 2, 3, 4, 5, 6, 789),
        "taken_at": datetime(1969, 1, 2),
        "start_s": 1.5,
        "end_s": 2.25,
        "duration_s": 1e-300,
        "width": 640,
        "height": 480,
        "text": "Grüße\n🍎",
        "metadata": '{"camera": "X", "iso": 100}',
        "phash": 0x5EDCBA9876543210,
        **changed,
    }


def are_sound(catalog: Catalog) -> list[bool]:
    checked = list(catalog.checked())
    assert all(isinstance(rows, CheckedRows) and rows.problem is None for rows in checked)
    return [bool(sound) for rows in checked for sound in rows.vectors & rows.others]


@settings(max_examples=60)
@given(metadata=st.dictionaries(WORDS, JSON, max_size=4))
def test_any_json_has_the_checksum_that_it_had_when_it_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, object]
) -> None:
    catalog = Catalog.create(tmp_path_factory.mktemp("catalog"), dim=DIM)
    catalog.commit(Change(new=[row(metadata=json.dumps(metadata, ensure_ascii=False))]))
    assert are_sound(catalog) == [True]


def test_rows_stay_sound_through_changes_and_compaction(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path, dim=DIM)
    empty = dict.fromkeys(("modified_at", "taken_at", "start_s", "end_s", "duration_s", "width", "text"))
    catalog.commit(Change(new=[row(0), row(1, **empty), row(2, metadata="{}")]))
    for id_ in range(3, 12):
        catalog.commit(Change(new=[row(id_)]))
    catalog.commit(Change(updated=[row(1, uri="/elsewhere.jpg")], dropped_parents=[2]))
    catalog.compact()
    assert are_sound(catalog) == [True] * 11


@pytest.mark.parametrize("name", [field.name for field in schema(DIM) if field.name not in (*CHECKSUMS, WORDS_COLUMN)])
def test_a_change_of_any_column_changes_one_of_the_checksums(name: str) -> None:
    kept = row()[name]
    others: dict[type, Any] = {
        int: lambda value: value ^ 1,
        str: lambda value: value.replace("6", "7") if value == "60" else value[:-1] + chr(ord(value[-1]) ^ 1),
        float: lambda value: np.nextafter(value, 9),
        datetime: lambda value: value.replace(microsecond=value.microsecond ^ 1),
        np.ndarray: lambda value: value[::-1],
    }
    changed = '{"camera": "X", "iso": 101}' if name == "metadata" else others[type(kept)](kept)
    values = [changed] if name in {"id", "uri", "embedding", "modality"} else [changed, None]
    before = to_table([row()], DIM)
    for value in values:
        if value is None and not schema(DIM).field(name).nullable:
            continue
        after = to_table([{**row(), name: value}], DIM)
        differs = {crc: before[crc] != after[crc] for crc in CHECKSUMS}
        assert differs[VECTOR_CRC if name == "embedding" else ROW_CRC]
        assert differs[VECTOR_CRC] == (name in {"id", "embedding"})


def test_the_checksum_of_a_vector_is_the_crc_of_id_and_numbers() -> None:
    one = row(5)
    expected = zlib.crc32((5).to_bytes(8, "little") + one["embedding"].astype("<f2").tobytes())
    assert to_table([one], DIM)[VECTOR_CRC].to_pylist() == [expected]


def test_checksums_that_a_row_brings_are_not_believed() -> None:
    assert to_table([row(vector_crc=1, row_crc=2)], DIM).equals(to_table([row()], DIM))


def test_no_rows_have_no_checksums() -> None:
    assert to_table([], DIM).num_rows == 0


def test_a_row_without_a_perceptual_hash_has_the_checksum_of_format_3() -> None:
    """Format 3 had no such column."""
    rows = to_table([row(phash=None), row(8, phash=None), row(9)], DIM)
    old = row_checksums(rows.drop_columns(["phash"]))
    assert (old == rows[ROW_CRC].to_numpy()).tolist() == [True, True, False]
