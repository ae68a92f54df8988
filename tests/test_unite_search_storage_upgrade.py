"""A collection of format 1 is converted when it is opened, also after a conversion that was killed half-way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from toy import ToyEncoder

from unite_search import Collection, Modality, Query, SearchOptions, UniteSearchError
from unite_search.storage import catalog
from unite_search.storage.metadata import FILE_NAME


def downgrade(folder: Path) -> None:
    """Give a collection the columns and the format number of version 0.1 as first published."""
    table = lance.dataset(str(folder / "catalog" / "items.lance"))

    def codes(batch: pa.RecordBatch) -> pa.RecordBatch:
        values = [int(Modality.from_partition(name)) for name in batch.column("partition").to_pylist()]
        return pa.RecordBatch.from_arrays([pa.array(values, pa.int8())], names=["code"])

    typed = lance.batch_udf(output_schema=pa.schema([("code", pa.int8())]))
    table.add_columns(typed(codes), read_columns=["partition"])
    table.alter_columns({"path": "modality", "name": "kind"})
    table.drop_columns(["partition"])
    table.alter_columns({"path": "code", "name": "modality"})
    path = folder / FILE_NAME
    about = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: value for name, value in {**about, "format_version": 1}.items() if name != "index"})
    )


@pytest.fixture
def old(tmp_path: Path, media: Path) -> Path:
    (media / "red.txt").write_text("grandmother")
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    downgrade(tmp_path / "db")
    return tmp_path / "db"


def check(folder: Path, media: Path) -> None:
    with Collection.open(folder, encoder=ToyEncoder()) as collection:
        assert collection.verify() == []
        assert {(item.modality, item.partition) for item in collection.items()} == {
            ("image", "image"),
            ("image", "text+image"),
            ("text", "text"),
        }
        hits = collection.search(Query.of("green"), SearchOptions(where="modality = 'image'")).hits
        assert (Path(hits[0].uri).name, len(hits)) == ("green.png", 4)
        report = collection.index([media])
        assert (report.unchanged, report.added, report.changed) == (5, 0, 0)
        (media / "new.txt").write_text("something new")
        assert collection.index([media]).added == 1


def test_an_old_collection_is_converted_on_opening(old: Path, media: Path) -> None:
    check(old, media)
    assert json.loads((old / FILE_NAME).read_text())["format_version"] == 2


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_killed_conversion_goes_on(old: Path, media: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def dying(name: str) -> None:
        whole = getattr(lance.LanceDataset, name)

        def step(*arguments: object, **named: object) -> object:
            result = whole(*arguments, **named)
            done.append(name)
            if len(done) == steps:
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(lance.LanceDataset, name, step)

    with monkeypatch.context() as patched:
        monkeypatch = patched
        for name in ("add_columns", "drop_columns", "alter_columns"):
            dying(name)
        with pytest.raises(KeyboardInterrupt):
            catalog.upgrade(old / "catalog")
    check(old, media)


def test_a_newer_format_says_so(old: Path) -> None:
    path = old / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(UniteSearchError, match="has format 99, this program reads up to 2; update unite-search"):
        Collection.open(old)


def test_readers_that_come_first_together_all_succeed(old: Path, media: Path) -> None:
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\nfrom toy import ToyEncoder\nfrom unite_search import Collection\n"
    )
    program += f"print(Collection.open({str(old)!r}, encoder=ToyEncoder()).status().files)"
    readers = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [reader.communicate(timeout=120)[0] for reader in readers] == ["5\n"] * 4
    check(old, media)


@pytest.mark.unprivileged
def test_a_collection_that_cannot_be_written_says_that_it_must_be_converted(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root is refused nothing")
    old = tmp_path / "db"
    Collection.open(old, encoder=ToyEncoder(), create=True).close()
    downgrade(old)
    old.chmod(0o555)
    try:
        with pytest.raises(UniteSearchError, match="has to be converted once, but it cannot be written"):
            Collection.open(old)
    finally:
        old.chmod(0o755)
