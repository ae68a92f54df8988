"""Errors of the engine become one line that names the collection; versions that are gone are moved on from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from damage import flip
from toy import ToyEncoder

from indexers.stored_file import checksum
from unite_search.collection import Collection
from unite_search.errors import DamagedCollectionError, OutdatedError, UniteSearchError, UnknownItemError
from unite_search.query import Query
from unite_search.storage import compaction, file_checksums
from unite_search.storage.catalog import Catalog
from unite_search.storage.file_checksums import FileChecksums
from unite_search.storage.guard import guard, guarded


class PanicException(BaseException):
    """What a panic of the engine derives from."""


@pytest.mark.parametrize("error", [PanicException("at the disco"), OSError("LanceError(IO): bad magic\n, /src.rs:3")])
def test_what_the_engine_raises_names_the_collection_and_what_to_do(error: BaseException) -> None:
    with (
        pytest.raises(
            DamagedCollectionError, match=r"^the catalog of /the/db cannot be read: .*verify --db /the/db"
        ) as it,
        guarded(Path("/the/db")),
    ):
        raise error
    assert not any(word in str(it.value) for word in ("Lance", "disco", "magic"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), UnknownItemError("no item 3"), AssertionError()])
def test_other_errors_pass(error: BaseException) -> None:
    with pytest.raises(type(error)), guarded(Path("/the/db")):
        raise error


def test_a_full_disk_is_not_called_damage() -> None:
    with (
        pytest.raises(UniteSearchError, match=r"^/the/db: No space left on device$") as caught,
        guarded(Path("/the/db")),
    ):
        raise OSError("LanceError(IO): Generic LocalFileSystem error: no space left on device (os error 28)")
    assert not isinstance(caught.value, DamagedCollectionError)


REFUSALS = [
    (28, "No space left on device"),
    (24, "Too many open files"),
    (23, "Too many open files in system"),
    (12, "Cannot allocate memory"),
    (116, "Stale file handle"),
    (5, "Input/output error"),
]


@pytest.mark.parametrize(("number", "words"), REFUSALS, ids=str)
def test_what_the_system_refuses_is_no_damage(number: int, words: str) -> None:
    with pytest.raises(UniteSearchError, match=r"^/the/db: ") as caught, guarded(Path("/the/db")):
        raise OSError(f"LanceError(IO): Generic LocalFileSystem error: {words} (os error {number})")
    assert not isinstance(caught.value, DamagedCollectionError)
    assert str(caught.value).removeprefix("/the/db: ") in words


def test_a_reader_without_free_file_descriptors_is_not_told_to_repair(tmp_path: Path, media: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(tmp_path / "db")], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["UniteSearchError", f"{tmp_path / 'db'}: Too many open files"], done.stderr


WITHOUT_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from unite_search.errors import UniteSearchError
from unite_search.storage.catalog import Catalog

catalog = Catalog(Path(sys.argv[1]) / "catalog", dim=56)
catalog.highest_id()  # The engine has opened what it needs for itself.
least = os.dup(0)
os.close(least)
resource.setrlimit(resource.RLIMIT_NOFILE, (least, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    catalog.states()
except UniteSearchError as error:
    print(type(error).__name__, error, sep="\\n")
"""


def test_a_stream_is_guarded_while_it_is_read_and_leaves_the_reader_alone() -> None:
    class Thing:
        def guarded(self) -> object:
            return guarded(Path("/the/db"))

        @guard
        def numbers(self) -> object:
            yield 1
            raise ValueError("LanceError: no more")

    stream = iter(Thing().numbers())  # type: ignore[call-overload]
    assert next(stream) == 1
    with pytest.raises(DamagedCollectionError, match="cannot be read"):
        next(stream)
    with pytest.raises(ZeroDivisionError):
        for _ in Thing().numbers():  # type: ignore[attr-defined]
            _ = 1 // 0


def two_versions(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """A reader whose version a writer has deleted with all files."""
    monkeypatch.setattr(compaction, "KEEP_LAST_VERSIONS", 1)
    monkeypatch.setattr(compaction, "SMALL_BYTES", 0)
    monkeypatch.setattr(compaction, "DELETED_SHARE", 0.0)
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        writer.index([media])
        reader = Collection.open(tmp_path / "db", encoder=ToyEncoder())
        (media / "note.txt").unlink()
        for number in range(3):
            (media / f"{number}.txt").write_text(f"text {number}")
            writer.index([media])
        writer._store.catalog.delete_old_versions()
    return reader


def test_a_reader_whose_version_is_gone_moves_on(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = two_versions(tmp_path, media, monkeypatch)
    with pytest.raises(OutdatedError, match="has been deleted by later changes; open the collection again"):
        list(reader.items())
    assert len(reader.search(Query.of("red")).hits) == 7
    assert reader.status().files == 7
    assert len(list(reader.items())) == 7


def test_a_manifest_that_a_writer_deletes_meanwhile_is_no_damage(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        writer.index([media])
        (media / "more.txt").write_text("more")
        writer.index([media])
    listed = FileChecksums.read(tmp_path / "db" / "catalog")
    assert listed is not None
    older = FileChecksums(listed.version - 1, listed.digests)

    def late(path: Path) -> str:
        """Delete what is read, as a writer's cleanup of old versions does."""
        path.unlink()
        return checksum(path)

    monkeypatch.setattr(FileChecksums, "read", lambda folder: older)
    monkeypatch.setattr(file_checksums, "checksum", late)
    assert Catalog(tmp_path / "db" / "catalog", dim=ToyEncoder.dim).count() == 6


def test_a_filter_is_blamed_for_its_own_faults_only(tmp_path: Path, media: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    reader = Collection.open(tmp_path / "db", encoder=ToyEncoder())
    for where, reason in (
        ("nonsense >", "filter"),
        ("no_column = 1", "No field named"),
        ("id / (id - id) = 1", "ivide"),
    ):
        with pytest.raises(UniteSearchError, match=reason) as caught:
            reader.count(where=where)
        assert not isinstance(caught.value, DamagedCollectionError)
    data = next((tmp_path / "db" / "catalog" / "items.lance" / "data").iterdir())
    data.write_bytes(b"\0" * data.stat().st_size)
    with pytest.raises(DamagedCollectionError, match="cannot be read"):
        Collection.open(tmp_path / "db", encoder=ToyEncoder()).count(where="width > 3")


MAIN = """
from unite_search.cli import main
from unite_search.encoders.base import ENCODERS
ENCODERS["toy"] = "toy:ToyEncoder"
if __name__ == "__main__":
    main()
"""
PLACES = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
COMMANDS = (
    ("query", "red", "--json"),
    ("similar", "0"),
    ("status",),
    ("index",),
    ("remove", "--id", "0", "--yes"),
    ("rebuild",),
    ("verify",),
    ("export", "exported"),
    ("collections",),
)


@pytest.mark.parametrize("pattern", ["catalog/items.lance/data/*.lance", "catalog/items.lance/_versions/*.manifest"])
def test_every_command_answers_damage_with_one_line(tmp_path: Path, media: Path, pattern: str) -> None:
    home = tmp_path / "home"
    database = home / "collections" / "default"
    with Collection.open(database, encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    for path in database.glob(pattern):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"\xff" * (path.stat().st_size // 2))
    for command in COMMANDS:
        ended = subprocess.run(
            [sys.executable, "-c", MAIN, *command],
            cwd=tmp_path,
            env={**os.environ, "UNITE_SEARCH_HOME": str(home), "PYTHONPATH": PLACES},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == (0 if command == ("collections",) else 1), (command, ended)
        both = ended.stdout + ended.stderr
        assert "Traceback" not in both
        assert "panicked" not in both
        assert "unexpected" not in both
        assert "repair" in both or "checksum differs" in both, (command, both)


def test_flip_flips(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(9))
    flip(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"\0\0\0\0\4\0\0\0\0"
