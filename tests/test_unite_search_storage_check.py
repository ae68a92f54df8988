"""`verify` notices every flipped bit in every kind of file, and says which side is damaged."""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path

import pytest
from damage import flip, rewrite, with_text, with_vector
from PIL import Image
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.errors import DamagedCollectionError
from unite_search.query import Query
from unite_search.recovery import repair, verify_folder
from unite_search.report import IndexOptions
from unite_search.storage import compaction
from unite_search.storage.catalog import Catalog
from unite_search.storage.check import damage_of_catalog

FLIPS = 60
WORDS_OF_THE_ENGINE = re.compile(r"Lance|Arrow|Parser|External error|panic|Traceback")
KINDS = {
    "rows of the catalog": "catalog/items.lance/data/*.lance",
    "manifests": "catalog/items.lance/_versions/*.manifest",
    "the version hint": "catalog/items.lance/_versions/*.json",
    "transactions": "catalog/items.lance/_transactions/*.txn",
    "deletions": "catalog/items.lance/_deletions/*",
    "the index of ids": "catalog/items.lance/_indices/*/*.lance",
    "checksums": "catalog/checksums.b2",
    "second copies": "catalog/copies/**/*",
    "rows of partitions": "partitions/*.faiss",
    "ids, samples and tails of partitions": "partitions/*.npy",
    "the manifest of partitions": "partitions/manifest.json",
    "the metadata": "collection.json",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with files of every kind: several fragments, deleted rows, an index of ids, a tail."""
    folder = tmp_path_factory.mktemp("record")
    media = folder / "media"
    media.mkdir()
    for number in range(140):
        (media / f"{number:03}.txt").write_text(f"words of text {number}, " * (number % 5 + 1))
    for number in range(6):
        Image.new("RGB", (24, 20), (40 * number, 9, 99)).save(media / f"{number}.png")
    with (
        pytest.MonkeyPatch.context() as patched,
        Collection.open(folder / "db", encoder=ToyEncoder(), create=True) as c,
    ):
        patched.setattr(compaction, "INDEX_FROM_ROWS", 1)
        c.index([media])
        (media / "007.txt").unlink()
        (media / "new.txt").write_text("brand new")
        c.index([media])
        (media / "008.txt").unlink()
        c.index([media])
        assert c.verify() == []
    return folder / "db"


def verified(folder: Path) -> list[str]:
    return verify_folder(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_noticed(database: Path, kind: str) -> None:
    chance = random.Random(kind)
    files = [path for path in sorted(database.glob(KINDS[kind])) if path.is_file() and path.stat().st_size]
    assert files
    missed, raw = [], []
    for _ in range(FLIPS):
        path = chance.choice(files)
        sound = path.read_bytes()
        bit = chance.randrange(8 * len(sound))
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        problems = verified(database)
        if not problems:
            missed.append((path.name, bit))
        raw += [line for line in problems if WORDS_OF_THE_ENGINE.search(line)]
        path.write_bytes(sound)
    assert missed == []
    assert raw == []
    assert verified(database) == []


@pytest.fixture
def small(tmp_path: Path, media: Path) -> Path:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    return tmp_path / "db"


def test_a_reason_that_the_program_knows_is_told(small: Path) -> None:
    """What the program finds wrong itself is more than "the bytes of a file are not those that were written"."""
    said = damage_of_catalog(small / "catalog", ToyEncoder.dim - 1).unreadable
    assert said == [f"it holds vectors of {ToyEncoder.dim} numbers, collection.json says {ToyEncoder.dim - 1}"]


def test_a_damaged_row_is_named_by_id_and_uri(small: Path) -> None:
    rewrite(small, lambda table: with_text(table, 1, "wrong"))
    row = Catalog(small / "catalog", dim=ToyEncoder.dim).rows([1], ["uri"])[1]
    assert verified(small) == [f"catalog: row 1 ({row['uri']}): damaged metadata, its checksum differs"]


def test_a_damaged_vector_is_of_the_catalog_not_of_the_partition(small: Path) -> None:
    rewrite(small, lambda table: with_vector(table, 2))
    (problem,) = verified(small)
    assert problem.startswith("catalog: row 2 (")
    assert "damaged vector" in problem


def test_a_damaged_partition_is_named_by_its_file(small: Path) -> None:
    path = next((small / "partitions").glob("image.*.rows.faiss"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert all("catalog:" not in problem and "partition" in problem for problem in verified(small))
    assert any(path.name in problem for problem in verified(small))


def test_rebuild_does_not_replace_good_partitions_by_a_damaged_catalog(small: Path) -> None:
    before = {path.name: path.read_bytes() for path in (small / "partitions").iterdir()}
    rewrite(small, lambda table: with_vector(table, 2))
    with (
        Collection.open(small, encoder=ToyEncoder()) as collection,
        pytest.raises(DamagedCollectionError, match=r"nothing was rebuilt.*row 2 .*`unite-search repair --db"),
    ):
        collection.rebuild()
    assert {path.name: path.read_bytes() for path in (small / "partitions").iterdir()} == before


def test_a_run_does_not_store_partitions_without_the_vectors_that_are_damaged(small: Path, media: Path) -> None:
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        picture = next(item.id for item in collection.items() if item.modality == "image")
    rewrite(small, lambda table: with_vector(table, table["id"].to_pylist().index(picture)))
    for path in (small / "partitions").glob("image.*.faiss"):
        path.write_bytes(b"damaged as well")
    (media / "another.txt").write_text("another")
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        collection.index([media])
        assert any("1 items cannot be searched" in message for message in collection.messages)
        assert len(collection.search(Query.of("red")).hits) == 5
    assert any(f"row {picture} (" in problem for problem in verified(small))


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"# version 2 0123\n"])
def test_no_change_writes_a_damaged_list_of_checksums_anew(small: Path, media: Path, content: bytes | None) -> None:
    """A damaged data file would get a checksum of what it is now, and nobody could know of the damage any more."""
    checksums = small / "catalog" / "checksums.b2"
    flip(next((small / "catalog" / "items.lance" / "data").glob("*.lance")))
    if content is None:
        flip(checksums)
    else:
        checksums.write_bytes(content)
    before = checksums.read_bytes()
    (media / "more.txt").write_text("more")
    with (
        Collection.open(small, encoder=ToyEncoder()) as collection,
        pytest.raises(DamagedCollectionError, match=r"checksums\.b2: checksum differs.*repair"),
    ):
        collection.index([media])
    assert checksums.read_bytes() == before
    assert any("checksums.b2: checksum differs" in problem for problem in verify_folder(small))
    assert repair(small, encoder=ToyEncoder()).remaining == []
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        collection.index([media])
        assert len(list(collection.items())) == 6
    assert verify_folder(small) == []


def test_a_renamed_file_with_a_damaged_row_does_not_get_a_new_checksum(small: Path, media: Path) -> None:
    rewrite(small, lambda table: with_vector(table, 2))
    for path in sorted(media.iterdir()):
        path.rename(path.with_name(f"renamed {path.name}"))
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        collection.index([media])
    assert any("row 2 (" in problem for problem in verified(small))


def test_a_damaged_vector_is_no_query(small: Path) -> None:
    rewrite(small, lambda table: with_vector(table, 2))
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        assert len(collection.similar(1).hits) == 4
        with pytest.raises(DamagedCollectionError, match=r"a vector differs from its checksum; `unite-search verify"):
            collection.similar(2)


def test_a_missing_data_file_is_named(small: Path) -> None:
    path = next((small / "catalog" / "items.lance" / "data").iterdir())
    path.unlink()
    assert any(path.name in problem for problem in verified(small))


def test_a_writer_beside_it_is_no_damage(small: Path, media: Path) -> None:
    stopped = threading.Event()

    def write() -> None:
        with Collection.open(small, encoder=ToyEncoder()) as writer:
            for number in range(12):
                (media / f"{number}.txt").write_text(f"text {number}")
                (media / f"{number - 2}.txt").unlink(missing_ok=True)
                writer.index([media], IndexOptions(workers=1))
        stopped.set()

    thread = threading.Thread(target=write)
    thread.start()
    found = []
    while not stopped.is_set():
        found += verified(small)
    thread.join()
    assert found == []


def test_what_a_killed_run_has_not_listed_is_no_problem(small: Path, media: Path) -> None:
    listed = (small / "catalog" / "checksums.b2").read_bytes()
    (media / "another.txt").write_text("another")
    with Collection.open(small, encoder=ToyEncoder()) as collection:
        collection.index([media])
    (small / "catalog" / "checksums.b2").write_bytes(listed)
    assert verified(small) == []
