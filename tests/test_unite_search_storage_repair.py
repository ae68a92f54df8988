"""`repair` brings back what can be of every kind of damage, and a repair that was killed can be repeated."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from damage import flip, rewrite, with_text, with_vector
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.encoders.base import Encoder
from unite_search.errors import (
    CollectionNotFoundError,
    DamagedCollectionError,
    EncoderUnavailableError,
    UniteSearchError,
)
from unite_search.recovery import repair, verify_folder
from unite_search.report import RepairReport
from unite_search.storage.catalog import Catalog
from unite_search.storage.metadata import CollectionMetadata, IdCounter
from unite_search.storage.repair import _fall_back
from unite_search.storage.row_checksums import CheckedRows

KILLS = 12


@pytest.fixture
def db(tmp_path: Path, media: Path) -> Path:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
        (media / "late.txt").write_text("a late text")
        collection.index([media])
    return tmp_path / "db"


def repaired(db: Path, *, dry_run: bool = False) -> RepairReport:
    report = repair(db, encoder=ToyEncoder(), dry_run=dry_run)
    if not report.dry_run:
        assert report.remaining == []
        assert verify_folder(db) == []
    return report


def uris(db: Path) -> set[str]:
    with Collection.open(db, encoder=ToyEncoder()) as collection:
        assert collection.verify() == []
        return {Path(item.uri).name for item in collection.items()}


EVERYTHING = {"red.png", "green.png", "blue.png", "white.png", "note.txt", "late.txt"}


def test_a_sound_collection_is_left_as_it_is(db: Path) -> None:
    before = {path: path.read_bytes() for path in db.rglob("*") if path.is_file()}
    assert repaired(db) == RepairReport()
    assert {path: path.read_bytes() for path in db.rglob("*") if path.is_file()} == before


def test_a_damaged_vector_comes_from_the_partition(db: Path) -> None:
    with Collection.open(db, encoder=ToyEncoder()) as collection:
        expected = collection._store.catalog.rows([2])[2]
    rewrite(db, lambda table: with_vector(table, 2))
    report = repaired(db)
    assert (report.restored_vectors, report.dropped, report.files_to_read) == ([2], [], [])
    with Collection.open(db, encoder=ToyEncoder()) as collection:
        assert collection._store.catalog.rows([2])[2] == expected


def test_a_file_with_damaged_metadata_is_read_again(db: Path) -> None:
    rewrite(db, lambda table: with_text(table, 1, "wrong"))
    report = repaired(db)
    assert [row["id"] for row in report.dropped] == [1]
    assert len(report.files_to_read) == 1
    assert uris(db) == EVERYTHING


def test_what_is_read_again_is_found_without_reading_vectors(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows are checked once to find the damage, once to write the others anew, and once at the end by `verify`."""
    rewrite(db, lambda table: with_text(table, 1, "wrong"))
    checked, times = Catalog.checked, []

    def counted(self: Catalog) -> Iterator[CheckedRows]:
        times.append(1)
        return checked(self)

    monkeypatch.setattr(Catalog, "checked", counted)
    assert len(repair(db, encoder=ToyEncoder()).files_to_read) == 1
    assert len(times) == 3


def test_what_cannot_be_read_again_is_dropped_and_named(db: Path, media: Path) -> None:
    rewrite(db, lambda table: with_text(with_vector(table, 1), 1, "wrong"))
    with Collection.open(db, encoder=ToyEncoder()) as collection:
        lost = Path(collection.item(1).uri)
    lost.unlink()
    report = repaired(db)
    assert report.lost == [str(lost)]
    assert uris(db) == EVERYTHING - {lost.name}


def test_without_the_encoder_the_next_run_reads_the_file_again(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(db, lambda table: with_text(table, 1, "wrong"))

    def missing(*_: object) -> Encoder:
        raise EncoderUnavailableError("no weights")

    with monkeypatch.context() as patched:
        patched.setattr(CollectionMetadata, "load_encoder", missing)
        report = repair(db)
    assert any("unite-search index" in note and "no weights" in note for note in report.notes)
    with Collection.open(db, encoder=ToyEncoder()) as collection:
        assert collection.index([]).added == 1
    assert uris(db) == EVERYTHING


@pytest.mark.parametrize("pattern", ["data/*.lance", "_versions/*.manifest", "_transactions/*.txn", "_versions/*.json"])
def test_damaged_files_of_the_catalog_are_restored_or_replaced(db: Path, pattern: str) -> None:
    for path in sorted((db / "catalog" / "items.lance").glob(pattern)):
        if not path.exists():
            continue
        flip(path)
        repaired(db)
        assert uris(db) == EVERYTHING


def test_the_newest_version_without_a_copy_falls_back_to_the_one_before(db: Path, media: Path) -> None:
    newest = sorted((db / "catalog" / "items.lance" / "_versions").glob("*.manifest"))[0]
    flip(newest)
    shutil.rmtree(db / "catalog" / "copies" / "items.lance")
    report = repaired(db)
    assert len(report.deleted_versions) == 1
    assert uris(db) == EVERYTHING


def test_the_newest_version_that_is_missing_is_taken_from_its_copy(db: Path, media: Path) -> None:
    """The engine would open the version before it, and answer from it as if nothing were missing."""
    sorted((db / "catalog" / "items.lance" / "_versions").glob("*.manifest"))[0].unlink()
    with pytest.raises(DamagedCollectionError, match=r"is missing.*repair"):
        Collection.open(db, encoder=ToyEncoder())
    for path in media.iterdir():
        path.unlink()
    report = repaired(db)
    assert (report.deleted_versions, report.lost) == ([], [])
    assert uris(db) == EVERYTHING


def test_a_missing_version_without_a_copy_is_given_up_and_its_files_are_read_again(db: Path) -> None:
    sorted((db / "catalog" / "items.lance" / "_versions").glob("*.manifest"))[0].unlink()
    shutil.rmtree(db / "catalog" / "copies" / "items.lance")
    report = repaired(db)
    assert len(report.deleted_versions) == 1
    assert uris(db) == EVERYTHING


def test_versions_of_an_old_table_are_ordered_by_number(tmp_path: Path) -> None:
    """Their manifests are named 9 and 12, not counted downwards; what is no manifest of the engine is left alone."""
    path = tmp_path / "catalog" / "items.lance"
    for number in range(12):
        rows = pa.table({"id": [number]})
        lance.write_dataset(rows, str(path), mode="append" if number else "create", enable_v2_manifest_paths=False)
    manifests = path / "_versions"
    (manifests / "12.manifest").write_bytes(b"damaged")
    (manifests / "notes.manifest").write_bytes(b"mine")
    report = RepairReport()
    _fall_back(tmp_path, report)
    assert report.deleted_versions == [12]
    assert sorted(file.stem for file in manifests.glob("*.manifest")) == sorted([*map(str, range(1, 12)), "notes"])


def test_a_repair_that_may_open_no_more_files_deletes_nothing(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the engine nor the comparison of checksums takes a refusal of the system for a damaged manifest."""
    before = {path: path.read_bytes() for path in (db / "catalog").rglob("*") if path.is_file()}

    def refused(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    for place in ("repair.lance.dataset", "file_checksums.checksum"):
        with monkeypatch.context() as patched:
            patched.setattr(f"unite_search.storage.{place}", refused)
            with pytest.raises(UniteSearchError, match="Too many open files"):
                repair(db, encoder=ToyEncoder())
        assert {path: path.read_bytes() for path in (db / "catalog").rglob("*") if path.is_file()} == before
    assert uris(db) == EVERYTHING


def test_the_metadata_comes_from_its_copy_and_no_id_is_given_twice(db: Path) -> None:
    before = CollectionMetadata.read(db)
    used = IdCounter(db, used_below=0).take(1).start
    (db / "collection.json").write_text("{")
    repaired(db)
    after = CollectionMetadata.read(db)
    assert (after.roots, after.fingerprint) == (before.roots, before.fingerprint)
    assert after.next_id > used
    assert uris(db) == EVERYTHING


def test_damaged_partitions_are_built_again(db: Path) -> None:
    flip(next((db / "partitions").glob("image.*.rows.faiss")))
    assert "image" in repaired(db).rebuilt
    assert uris(db) == EVERYTHING


def test_a_list_of_checksums_that_is_damaged_is_written_anew_and_said_so(db: Path) -> None:
    listed = db / "catalog" / "checksums.b2"
    listed.write_bytes(listed.read_bytes()[:100])
    assert "would be written anew: catalog file checksums.b2" in repaired(db, dry_run=True).notes
    assert "written anew: catalog file checksums.b2" in repaired(db).notes


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(db: Path) -> None:
    rewrite(db, lambda table: with_text(with_vector(table, 2), 1, "wrong"))
    before = {path: path.read_bytes() for path in db.rglob("*") if path.is_file()}
    report = repaired(db, dry_run=True)
    assert {path: path.read_bytes() for path in db.rglob("*") if path.is_file()} == before
    assert (report.restored_vectors, [row["id"] for row in report.dropped]) == ([2], [1])


def test_nothing_readable_says_so(db: Path, tmp_path: Path) -> None:
    for path in (db / "catalog").rglob("*.manifest"):
        path.write_bytes(b"gone")
    with pytest.raises(DamagedCollectionError, match="no version of the catalog"):
        repair(db)
    with pytest.raises(CollectionNotFoundError):
        repair(tmp_path / "nowhere")


REPAIR = """
import sys
from toy import ToyEncoder
from unite_search.recovery import repair

if __name__ == "__main__":
    print("ready", flush=True)
    repair(sys.argv[1], encoder=ToyEncoder())
"""


@pytest.mark.slow
def test_a_repair_that_is_killed_at_any_moment_can_be_repeated(db: Path, tmp_path: Path) -> None:
    rewrite(db, lambda table: with_text(with_vector(table, 2), 1, "wrong"))
    flip(next((db / "partitions").glob("image.*.rows.faiss")))
    script = tmp_path / "repair.py"
    script.write_text(REPAIR)
    places = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    chance = random.Random(3)
    for _ in range(KILLS):
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(db, work)
        process = subprocess.Popen(
            [sys.executable, str(script), str(work)],
            env={**os.environ, "PYTHONPATH": places},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(chance.uniform(0, 1.0))
        process.kill()
        process.wait()
        process.stdout.close()
        repaired(work)
        with Collection.open(work, encoder=ToyEncoder()) as collection:
            collection.index([])
        assert uris(work) == EVERYTHING
