"""`import`: what does not fit is refused with file and row and leaves nothing; what fits is there whole."""

from __future__ import annotations

import datetime
import json
import math
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import ToyEncoder

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.collection import Collection
from unite_search.errors import UniteSearchError
from unite_search.home import HOME_VARIABLE
from unite_search.media.types import EARLIEST_NS
from unite_search.storage import shards

ROWS, DIM = 50, 16
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command line in tmp_path; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


def vectors(rows: int = ROWS, dim: int = DIM, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype("f4")


def write_shard(
    folder: Path, rows: Any, number: int | str = 0, columns: dict[str, Any] | None = None, kind: str = "img"
) -> None:
    """Write a shard as clip-retrieval does, with np.save and pyarrow alone."""
    (folder / f"{kind}_emb").mkdir(parents=True, exist_ok=True)
    (folder / "metadata").mkdir(exist_ok=True)
    np.save(folder / f"{kind}_emb" / f"{kind}_emb_{number}.npy", rows)
    table = columns or {"image_path": [f"/p/{number}/{place}.jpg" for place in range(len(rows))]}
    pq.write_table(pa.table(table), folder / "metadata" / f"metadata_{number}.parquet")


def items(db: Path, where: str | None = None) -> list[Any]:
    with Collection.open(db) as collection:
        return list(collection.items(where))


def names_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _with(place: tuple[int, ...] | int, value: float, dtype: str = "f4") -> Any:
    rows = vectors().astype(dtype)
    rows[place] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_with(17, np.nan), "img_emb_3.npy, row 17: NaN"),
        (_with((17, 4), np.nan), "img_emb_3.npy, row 17: NaN"),
        (_with((17, 0), np.nan, "f2"), "img_emb_3.npy, row 17: NaN"),
        (_with((17, 0), np.nan, ">f8"), "img_emb_3.npy, row 17: NaN"),
        (_with((49, 15), np.inf), "img_emb_3.npy, row 49: an infinite value"),
        (_with((0, 15), -np.inf, "f2"), "img_emb_3.npy, row 0: an infinite value"),
        (_with(17, 0), "img_emb_3.npy, row 17: all zeros"),
        (_with(17, -0.0, "f2"), "img_emb_3.npy, row 17: all zeros"),
        (vectors(dim=17), "img_emb_3.npy has vectors of 17 numbers, but img_emb_0.npy 16"),
        (vectors()[0], "img_emb_3.npy has shape (16,); expected (rows, dimensions)"),
        (vectors()[None], "img_emb_3.npy has shape (1, 50, 16); expected (rows, dimensions)"),
        (np.zeros((50, 0), "f4"), "img_emb_3.npy has shape (50, 0); expected (rows, dimensions)"),
        (np.float32(3), "img_emb_3.npy has shape (); expected (rows, dimensions)"),
        (vectors().astype("i1"), "img_emb_3.npy holds int8; expected float16, float32 or float64"),
        (vectors() > 0, "img_emb_3.npy holds bool; expected float16, float32 or float64"),
        (vectors().astype("c8"), "img_emb_3.npy holds complex64; expected float16, float32 or float64"),
        (vectors().astype("U8"), "expected float16, float32 or float64"),
        (vectors().astype(object), "img_emb_3.npy: cannot be read: "),
    ],
)
def test_a_shard_that_cannot_be_stored_is_named_and_leaves_nothing(
    cli: Cli, tmp_path: Path, rows: Any, message: str
) -> None:
    write_shard(tmp_path / "e", vectors(seed=1))
    write_shard(tmp_path / "e", vectors(), 3)
    np.save(tmp_path / "e" / "img_emb" / "img_emb_3.npy", rows, allow_pickle=True)
    before = names_below(tmp_path)
    code, output, error = cli("import", "e", "--db", "db", "--json")
    assert (code, output) == (1, "")
    assert error.count("\n") == 1
    assert message in error
    assert names_below(tmp_path) == before


def test_one_vector_of_nan_among_fifty_makes_no_collection(cli: Cli, tmp_path: Path) -> None:
    write_shard(tmp_path / "e", _with(5, np.nan), 0)
    code, _, error = cli("import", "e", "--db", "db")
    assert code == 1
    assert "img_emb_0.npy, row 5: NaN" in error
    assert "no collection" in cli("similar", "1", "--db", "db", "--json")[2]
    write_shard(tmp_path / "e", vectors(), 0)
    assert cli("import", "e", "--db", "db")[0] == 0, "the failure does not block the next try"
    assert "NaN" not in cli("similar", "1", "--db", "db", "--json")[1]


@pytest.mark.parametrize("rows", [_with(17, 1e-300, "f8"), _with(17, 1e300, "f8"), _with(17, 1e-40), _with(17, 3e38)])
def test_very_long_and_very_short_vectors_are_scaled(cli: Cli, tmp_path: Path, rows: Any) -> None:
    write_shard(tmp_path / "e", rows)
    assert cli("import", "e", "--db", "db")[0] == 0
    assert cli("verify", "--db", "db")[0] == 0
    hits = json.loads(cli("similar", "17", "--db", "db", "--json", "-k", "50", "--include-self")[1])["hits"]
    expected = rows.astype("f8") / np.abs(rows.astype("f8")).max(axis=1, keepdims=True)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = {hit["id"]: hit["cosine"] for hit in hits}
    assert found == pytest.approx(dict(enumerate(expected @ expected[17])), abs=2e-3)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_every_layout_of_floats_is_read_alike(tmp_path: Path, dtype: str, order: Any) -> None:
    given_rows = vectors().astype("f2").astype("f4")
    write_shard(tmp_path / "e", np.array(given_rows.astype(dtype), order=order))
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    with Collection.open(tmp_path / "db") as collection:
        stored = collection._store.catalog.table(np.arange(ROWS))["embedding"].to_pylist()
    expected = given_rows / np.linalg.norm(given_rows, axis=1, keepdims=True)
    assert np.array_equal(np.asarray(stored, "f2"), expected.astype("f2"))


def test_one_shard_may_be_empty_but_not_all(cli: Cli, tmp_path: Path) -> None:
    write_shard(tmp_path / "e", vectors(0))
    assert "have no rows" in cli("import", "e", "--db", "db")[2]
    write_shard(tmp_path / "e", vectors(), 1)
    assert json.loads(cli("import", "e", "--db", "db", "--json")[1])["items"] == ROWS


def _damages() -> dict[str, Callable[[Path], object]]:
    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-100])

    def spoil(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:40] + os.urandom(400) + path.read_bytes()[440:])

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    def archive(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, a=vectors())

    return {
        "cut": cut,
        "spoil": spoil,
        "empty": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text("404: not found\n"),
        "folder": folder,
        "archive": archive,
    }


@pytest.mark.parametrize("damage", _damages())
@pytest.mark.parametrize("name", ["img_emb/img_emb_3.npy", "metadata/metadata_3.parquet"])
def test_a_damaged_file_is_named_and_leaves_nothing(cli: Cli, tmp_path: Path, name: str, damage: str) -> None:
    write_shard(tmp_path / "e", vectors())
    write_shard(tmp_path / "e", vectors(seed=1), 3)
    _damages()[damage](tmp_path / "e" / name)
    before = names_below(tmp_path)
    code, _, error = cli("import", "e", "--db", "db")
    assert code == 1
    assert error.count("\n") == 1
    assert name in error
    assert "unexpected" not in error
    assert names_below(tmp_path) == before


@given(
    st.integers(0, 10**6),
    st.integers(1, 255),
    st.sampled_from(["img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"]),
)
def test_any_flipped_byte_is_refused_in_one_line_or_changes_nothing_else(place: int, mask: int, name: str) -> None:
    """Of a byte of a vector nobody can know that it was flipped; the rest must never raise anything unforeseen."""
    import tempfile

    from unite_search.errors import UniteSearchError

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_shard(
            folder / "e", vectors(), columns={"image_path": [f"/p/{n}" for n in range(ROWS)], "n": list(range(ROWS))}
        )
        content = bytearray((folder / "e" / name).read_bytes())
        content[place % len(content)] ^= mask
        (folder / "e" / name).write_bytes(content)
        try:
            for shard in shards.find_shards(folder / "e"):
                for batch in shards.read_shard(shard):
                    assert np.allclose(np.linalg.norm(batch.vectors, axis=1), 1, atol=2e-3)
        except UniteSearchError as error:
            assert name.rpartition("/")[2] in str(error)
            assert "\n" not in str(error)


def test_metadata_of_another_length_or_missing_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_shard(tmp_path / "e", vectors(), 0, {"image_path": [f"/p/{place}" for place in range(ROWS - 1)]})
    assert "has 50 rows, but metadata_0.parquet has 49" in cli("import", "e", "--db", "db")[2]
    write_shard(tmp_path / "e", vectors(), 0)
    write_shard(tmp_path / "e", vectors(), 1)
    (tmp_path / "e" / "metadata" / "metadata_1.parquet").unlink()
    assert "img_emb_1.npy has no metadata_1.parquet" in cli("import", "e", "--db", "db")[2]
    (tmp_path / "e" / "img_emb" / "img_emb_1.npy").unlink()
    write_shard(tmp_path / "e", vectors(), 2)
    (tmp_path / "e" / "img_emb" / "img_emb_2.npy").unlink()
    assert "metadata_2.parquet has no .npy file" in cli("import", "e", "--db", "db")[2]
    assert not (tmp_path / "db").exists()
    shutil.rmtree(tmp_path / "e" / "metadata")
    assert cli("import", "e", "--db", "db")[0] == 0, "a folder without any metadata"
    assert len(items(tmp_path / "db")) == ROWS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"toy"',
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"encoder": "toy", "fingerprint": "toy-1"}',
        b'{"encoder": "toy", "fingerprint": "toy-1", "dim": "16"}',
        b'{"encoder": "toy", "fingerprint": "toy-1", "dim": NaN}',
        b'{"encoder": "toy", "fingerprint": "toy-1", "dim": true}',
        b'{"encoder": null, "fingerprint": "toy-1", "dim": 16}',
        b'{"encoder": "toy", "fingerprint": {}, "dim": 16}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_description_is_one_line(cli: Cli, tmp_path: Path, content: bytes) -> None:
    write_shard(tmp_path / "e", vectors())
    (tmp_path / "e" / "unite_search.json").write_bytes(content)
    code, _, error = cli("import", "e", "--db", "db")
    assert code == 1
    assert error.count("\n") == 1
    assert "unite_search.json is damaged: " in error
    assert not (tmp_path / "db").exists()


def test_a_description_of_another_width_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_shard(tmp_path / "e", vectors())
    (tmp_path / "e" / "unite_search.json").write_text('{"encoder": "toy", "fingerprint": "toy-1", "dim": 32}')
    error = cli("import", "e", "--db", "db")[2]
    assert "vectors of 16 numbers, but its unite_search.json says that they have 32" in error


def test_an_unknown_partition_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_shard(tmp_path / "e" / "train", vectors())
    code, _, error = cli("import", "e", "--db", "db")
    assert code == 1
    assert "unknown modality 'train'" in error


def test_metadata_that_json_cannot_hold_is_printed_as_json(cli: Cli, tmp_path: Path) -> None:
    count = 4
    columns = {
        "image_path": ["/p/a", None, "/p/c", ""],
        "caption": pa.array([math.nan] * count),
        "score": [math.nan, math.inf, -math.inf, 1.5],
        "nested": [{"a": [math.nan, 1.0]}] * count,
        "taken": pa.array([0, 1, 253_402_300_800, None], pa.timestamp("s")),
        "fine": pa.array([1, 2, 3, None], pa.timestamp("ns")),
        "day": [datetime.date(2020, 2, 29)] * count,
        "raw": [b"plain", b"\xff\x00", b"", None],
        "span": [datetime.timedelta(seconds=3)] * count,
    }
    write_shard(tmp_path / "e", vectors(count), 0, columns)
    code, _, error = cli("import", "e", "--db", "db")
    assert (code, error) == (0, "")
    output = cli("similar", "0", "--db", "db", "--json", "--include-self")[1]

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    hits = sorted(json.loads(output, parse_constant=refuse)["hits"], key=lambda hit: hit["id"])
    assert [hit["text"] for hit in hits] == [None] * count
    assert [hit["metadata"]["score"] for hit in hits] == [None, None, None, 1.5]
    assert hits[0]["metadata"]["nested"] == {"a": [None, 1.0]}
    assert hits[0]["metadata"]["day"] == "2020-02-29"
    assert [hit["metadata"]["raw"] for hit in hits] == ["plain", "/wA=", "", None]
    assert hits[0]["metadata"]["taken"].startswith("1970-01-01")
    assert hits[3]["metadata"]["taken"] is None


def test_captions_and_paths_of_other_types_become_text(tmp_path: Path) -> None:
    columns = {"image_path": [b"/p/a", b"/p/b"], "caption": [7, None], "n": [1, 2]}
    write_shard(tmp_path / "e", vectors(2), 0, columns)
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    assert [(item.uri, item.text, item.metadata) for item in items(tmp_path / "db")] == [
        ("/p/a", "7", {"n": 1}),
        ("/p/b", None, {"n": 2}),
    ]


def test_a_path_no_system_has_and_a_file_from_the_far_future_stop_nobody(tmp_path: Path) -> None:
    far = tmp_path / "far.jpg"
    far.write_bytes(b"x")
    os.utime(far, (10**12, 10**12))
    columns = {"image_path": ["/p/" + "x" * 5000, "/p/\0", str(far)]}
    write_shard(tmp_path / "e", vectors(3), 0, columns)
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    assert len(items(tmp_path / "db")) == 3


def test_times_of_files_are_those_that_a_scan_would_find(tmp_path: Path) -> None:
    """A time before 1970 stays; of a file that is not here, none is known."""
    old = tmp_path / "old.jpg"
    old.write_bytes(b"x")
    os.utime(old, ns=(-5_000_000_000, -5_000_000_000))
    write_shard(tmp_path / "e", vectors(2), 0, {"image_path": [str(old), "/p/nowhere.jpg"]})
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    found = {Path(item.uri).name: (item.mtime_ns, item.modified_at) for item in items(tmp_path / "db")}
    assert found == {
        "old.jpg": (-5_000_000_000, datetime.datetime(1969, 12, 31, 23, 59, 55)),
        "nowhere.jpg": (EARLIEST_NS, None),
    }


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
def test_items_of_one_file_share_a_parent_over_batches_and_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(shards, "MOST_BATCH_ROWS", batch_rows)
    chance = np.random.default_rng(3)
    for number in range(3):
        paths = [f"/p/{place}.mp4" for place in chance.integers(0, 12, ROWS)]
        write_shard(tmp_path / "e", vectors(seed=number), number, {"image_path": paths, "n": list(range(ROWS))})
    write_shard(tmp_path / "e", vectors(seed=9), 2, {"image_path": paths, "n": list(range(ROWS))}, kind="text")
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    found = items(tmp_path / "db")
    assert sorted(item.id for item in found) == list(range(4 * ROWS))
    firsts: dict[str, int] = {}
    for item in sorted(found, key=lambda item: item.id):
        assert item.parent == firsts.setdefault(item.uri, item.id)
    with Collection.open(tmp_path / "db") as collection:
        assert collection.verify() == []


def _own(folder: Path, changed: dict[str, Any]) -> None:
    """Make an export, and replace columns of its metadata."""
    (folder / "media").mkdir()
    for name in ("one", "two"):
        (folder / "media" / f"{name}.txt").write_text(f"a note about {name}")
    with Collection.open(folder / "made", encoder=ToyEncoder(), create=True) as collection:
        collection.index([folder / "media"])
        collection.export(folder / "e")
    path = folder / "e" / "text" / "metadata" / "metadata_0.parquet"
    table = pq.read_table(path)
    for name, values in changed.items():
        place = table.schema.get_field_index(name)
        table = table.remove_column(place) if values is None else table.set_column(place, name, pa.array(values))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"content_hash": ["a", None]}, "metadata_0.parquet, row 1: no content_hash"),
        ({"size_bytes": ["many", "few"]}, "metadata_0.parquet: column size_bytes is no int64: "),
        ({"folder": None}, "metadata_0.parquet has no column folder"),
        ({"metadata": ["{}", "{"]}, "metadata_0.parquet, row 1: metadata is not a JSON object"),
        ({"metadata": ["[]", "{}"]}, "metadata_0.parquet, row 0: metadata is not a JSON object"),
    ],
)
def test_an_own_export_that_was_edited_wrongly_is_named(
    cli: Cli, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    _own(tmp_path, changed)
    code, _, error = cli("import", "e", "--db", "db")
    assert code == 1
    assert message in error
    assert not (tmp_path / "db").exists()


def test_infinity_in_the_metadata_of_an_export_becomes_null(tmp_path: Path) -> None:
    _own(tmp_path, {"metadata": ['{"a": NaN, "b": 1e999, "c": 1}', '{"a": -Infinity}']})
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    assert [item.metadata for item in items(tmp_path / "db")] == [{"a": None, "b": None, "c": 1}, {"a": None}]


def test_an_export_comes_back_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_BATCH_ROWS", 3)
    (tmp_path / "media").mkdir()
    for number in range(20):
        (tmp_path / "media" / f"{number}.txt").write_text(
            f"words {number} and {number * 7}\n" * (1 + 60 * (number % 3))
        )
    with Collection.open(tmp_path / "made", encoder=ToyEncoder(), create=True) as collection:
        collection.index([tmp_path / "media"])
        collection.remove(paths=[tmp_path / "media" / "3.txt"])
        collection.export(tmp_path / "e")
        before = _without_ids(collection)
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    with Collection.open(tmp_path / "db") as copied:
        assert _without_ids(copied) == before


def _without_ids(collection: Collection) -> list[dict[str, Any]]:
    """Every column of every row, parents by the place of their first item."""
    catalog = collection._store.catalog
    rows: list[dict[str, Any]] = catalog.table(np.arange(catalog.highest_id() + 1)).to_pylist()
    firsts: dict[int, int] = {}
    for place, row in enumerate(rows):
        row.pop("id")
        row["parent"] = firsts.setdefault(row["parent"], place)
    return rows


def _with_paths(tmp_path: Path, paths: list[str]) -> Path:
    """An export of this program whose paths were edited."""
    write_shard(tmp_path / "e", vectors(len(paths)))
    with Collection.from_export(tmp_path / "e", tmp_path / "first") as collection:
        collection.export(tmp_path / "own")
    (metadata,) = (tmp_path / "own").glob("*/metadata/*.parquet")
    table = pq.read_table(metadata)
    place = table.schema.get_field_index("image_path")
    pq.write_table(table.set_column(place, "image_path", pa.array(paths)), metadata)
    return tmp_path / "own"


def test_rows_of_an_export_that_have_one_path_become_one_file(tmp_path: Path) -> None:
    with Collection.from_export(_with_paths(tmp_path, ["/a.jpg"] * 4 + ["/b.jpg"]), tmp_path / "db") as collection:
        assert collection.verify() == []
        assert collection.status().files == 2
        assert collection.count(where="true") == 5


def test_a_row_without_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UniteSearchError, match=r"metadata_0\.parquet, row 1: no uri"):
        Collection.from_export(_with_paths(tmp_path, ["/a.jpg", ""]), tmp_path / "db")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:1000], "img_emb_0.npy: cannot be read: it is truncated"),
        (
            lambda content: content.replace(b"(40, 8)", b"(-4, 8)"),
            "img_emb_0.npy: cannot be read: its header is damaged",
        ),
        (lambda content: pickle.dumps([1]), "img_emb_0.npy: cannot be read: it holds pickled Python objects"),
    ],
    ids=["truncated", "negative", "pickled"],
)
def test_a_damaged_array_is_described_in_plain_words(tmp_path: Path, damage: Any, message: str) -> None:
    write_shard(tmp_path / "e", vectors(40, 8))
    path = tmp_path / "e" / "img_emb" / "img_emb_0.npy"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UniteSearchError, match=message):
        Collection.from_export(tmp_path / "e", tmp_path / "db")
