"""A collection of format 1 is converted when it is opened, also after a conversion that was killed half-way."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from toy import ToyEncoder

from unite_search import Collection, Modality, Query, SearchOptions, UniteSearchError
from unite_search.item import ITEM_COLUMNS, Item
from unite_search.recovery import repair
from unite_search.storage import upgrade as upgrading
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
    without_checksums(folder, version=1)


def without_checksums(folder: Path, *, version: int) -> None:
    """Take out what format 3 added, and give a collection another format number."""
    lance.dataset(str(folder / "catalog" / "items.lance")).drop_columns(["vector_crc", "row_crc"])
    (folder / "catalog" / "checksums.b2").unlink()
    shutil.rmtree(folder / "catalog" / "copies", ignore_errors=True)
    path = folder / FILE_NAME
    about = {**json.loads(path.read_text()), "format_version": version}
    unknown = {"checksum"} if version == 2 else {"checksum", "index"}
    path.write_text(json.dumps({name: value for name, value in about.items() if name not in unknown}))


@pytest.fixture
def old(tmp_path: Path, media: Path) -> Path:
    (media / "red.txt").write_text("grandmother")
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    downgrade(tmp_path / "db")
    return tmp_path / "db"


@pytest.fixture
def old_2(tmp_path: Path, media: Path) -> Path:
    """A collection of format 2, with several fragments and a deleted row."""
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        (media / "gone.txt").write_text("gone soon")
        collection.index([media])
        (media / "gone.txt").unlink()
        collection.index([media])
        (media / "red.txt").write_text("grandmother")
        collection.index([media])
    without_checksums(tmp_path / "db", version=2)
    return tmp_path / "db"


def lance_items(folder: Path) -> list[Item]:
    """The items, read without opening the collection."""
    table = lance.dataset(str(folder / "catalog" / "items.lance")).to_table(columns=list(ITEM_COLUMNS))
    return sorted((Item.of(row) for row in table.to_pylist()), key=lambda item: item.id)


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
    assert json.loads((old / FILE_NAME).read_text())["format_version"] == 4


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
            upgrading.upgrade(old / "catalog")
    check(old, media)


def test_a_collection_of_format_2_gets_checksums(old_2: Path, media: Path) -> None:
    before = lance_items(old_2)
    check(old_2, media)
    assert lance_items(old_2)[: len(before)] == before
    names = lance.dataset(str(old_2 / "catalog" / "items.lance")).schema.names
    assert names[-2:] == ["vector_crc", "row_crc"]
    assert json.loads((old_2 / FILE_NAME).read_text())["format_version"] == 4


def test_a_conversion_says_nothing_of_what_it_can_check_afterwards(old_2: Path) -> None:
    with Collection.open(old_2, encoder=ToyEncoder()) as collection:
        assert collection.messages == ["converted to format 4; earlier versions of this program cannot read it"]
    manifest = json.loads((old_2 / "partitions" / "manifest.json").read_text())
    assert manifest["version"] == lance.dataset(str(old_2 / "catalog" / "items.lance")).version
    with Collection.open(old_2, encoder=ToyEncoder()) as collection:
        assert collection.messages == []
        assert collection.verify() == []


@pytest.mark.slow
def test_a_conversion_that_is_killed_at_any_moment_goes_on(old_2: Path, media: Path, tmp_path: Path) -> None:
    program = f"import sys; sys.path[:0] = {sys.path!r}\nfrom unite_search import Collection\n"
    program += "print('ready', flush=True)\nCollection.open(sys.argv[1])"
    chance = random.Random(5)
    for number in range(8):
        work = tmp_path / f"work{number}"
        shutil.copytree(old_2, work)
        process = subprocess.Popen([sys.executable, "-c", program, str(work)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.communicate()
        with Collection.open(work, encoder=ToyEncoder()) as collection:
            assert collection.verify() == []
            assert collection.status().files == 5


@pytest.mark.parametrize("fields", [{}, {"something": "new", "roots": {"a": 1}}])
def test_a_newer_format_with_fields_of_its_own_says_so(old: Path, fields: dict[str, object]) -> None:
    path = old / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 5, "checksum": "another", **fields}))
    with pytest.raises(UniteSearchError, match="has format 5, this program reads up to 4; update unite-search"):
        Collection.open(old)
    with pytest.raises(UniteSearchError, match="has format 5"):
        repair(old)


def test_a_newer_format_says_so(old: Path) -> None:
    path = old / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(UniteSearchError, match="has format 99, this program reads up to 4; update unite-search"):
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
