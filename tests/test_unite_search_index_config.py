"""What a person asks of the vector indexes reaches them, from Python and from the command line, and is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy import ToyEncoder

from indexers.errors import UnknownSpecError
from unite_search import Collection, IndexConfig, Query
from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.cli.options import parse_size
from unite_search.encoders.base import ENCODERS
from unite_search.storage.metadata import CollectionMetadata

ROWS = 600


def specs(folder: Path) -> dict[str, str]:
    """The type of each partition on disk."""
    manifest = json.loads((folder / "partitions" / "manifest.json").read_text())
    return {name: partition["spec"] for name, partition in manifest["partitions"].items()}


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """An export of random unit vectors, enough to train an index on."""
    rows = np.random.default_rng(0).normal(size=(ROWS, 64)).astype(np.float32)
    folder = tmp_path / "vectors" / "img_emb"
    folder.mkdir(parents=True)
    np.save(folder / "img_emb_0.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return folder.parent


def test_a_type_is_used_and_remembered(tmp_path: Path, media: Path) -> None:
    config = IndexConfig(spec="float16")
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), index=config, create=True) as collection:
        collection.index([media])
    assert set(specs(tmp_path / "db").values()) == {"float16"}
    assert CollectionMetadata.read(tmp_path / "db").index == config
    with Collection.open(tmp_path / "db", encoder=ToyEncoder()) as again:
        again.rebuild()
    assert set(specs(tmp_path / "db").values()) == {"float16"}


def test_rebuild_converts_what_is_there(tmp_path: Path, vectors: Path) -> None:
    Collection.from_export(vectors, tmp_path / "db").close()
    assert specs(tmp_path / "db") == {"image": "float32"}
    assert run(app, ["rebuild", "--db", str(tmp_path / "db"), "--index-type", "HNSW16"]) == 0
    assert specs(tmp_path / "db") == {"image": "HNSW16"}
    with Collection.open(tmp_path / "db") as collection:
        exact = np.load(vectors / "img_emb" / "img_emb_0.npy")
        best = np.argsort(-(exact @ exact[0]))[:5]
        found = [hit.id for hit in collection.similar(0).hits]
    assert len(set(found[:4]) & set(best[1:].tolist())) >= 3, "an approximate index finds nearly all neighbours"


@pytest.mark.parametrize(
    ("arguments", "spec"),
    [
        (["--index-type", "int8"], "int8"),
        (["--index-type", "IVF4,int8"], "IVF4,int8"),
        (["--index-type", "PQ8"], "PQ8"),
        (["--target-recall", "1", "--index-memory", "100KB"], "float16"),
        (["--index-memory", "100KB"], "int8"),
        (["--target-recall", "0.5"], "float32"),
    ],
)
def test_every_option_reaches_the_index(tmp_path: Path, vectors: Path, arguments: list[str], spec: str) -> None:
    Collection.from_export(vectors, tmp_path / "db").close()
    assert run(app, ["rebuild", "--db", str(tmp_path / "db"), *arguments]) == 0
    assert specs(tmp_path / "db") == {"image": spec}


def test_index_creates_a_collection_with_the_options(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    database = ["--db", str(tmp_path / "db")]
    arguments = [
        "index",
        str(media),
        "--encoder",
        "toy",
        "--target-recall",
        "0.9",
        "--index-memory",
        "1.5GB",
        *database,
    ]
    assert run(app, arguments) == 0
    remembered = CollectionMetadata.read(tmp_path / "db").index
    assert remembered == IndexConfig(target_recall=0.9, memory_bytes=1_500_000_000)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--target-recall", "1.5"], 2, "target_recall is 1.5; expected more than 0 and at most 1"),
        (["--index-memory", "much"], 2, "'much' is not a size, such as 500MB or 2GB"),
        (["--index-memory", "0GB"], 2, "'0GB' is not a size"),
        (["--index-type", "nonsense"], 1, "Faiss makes no index 'nonsense' of 64 dimensions"),
        (["--index-type", "PQ7"], 1, "Faiss makes no index 'PQ7' of 64 dimensions"),
        (["--index-type", "HNSW0"], 1, "Faiss makes no index 'HNSW0' of 64 dimensions"),
        (["--index-type", "PQ64x12"], 1, "Faiss cannot build 'PQ64x12' from 600 rows of 64 dimensions"),
        (["--index-type", "IDMap,Flat"], 1, "Faiss cannot build 'IDMap,Flat' from 600 rows of 64 dimensions"),
    ],
)
def test_wrong_options_are_refused_and_change_nothing(
    tmp_path: Path, vectors: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    Collection.from_export(vectors, tmp_path / "db").close()
    before = CollectionMetadata.read(tmp_path / "db")
    assert run(app, ["rebuild", "--db", str(tmp_path / "db"), *arguments]) == code
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert CollectionMetadata.read(tmp_path / "db") == before
    assert specs(tmp_path / "db") == {"image": "float32"}


def test_an_unknown_type_leaves_no_collection_behind(tmp_path: Path) -> None:
    with pytest.raises(UnknownSpecError):
        Collection.open(tmp_path / "db", encoder=ToyEncoder(), index=IndexConfig(spec="nonsense"), create=True)
    assert not (tmp_path / "db" / "collection.json").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500MB", 5 * 10**8), ("2g", 2 * 10**9), ("1.5 GiB", 3 << 29), ("64KiB", 1 << 16), ("3tb", 3 * 10**12)],
)
def test_a_size_is_decimal_or_binary_as_it_says(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["5iB", "GB", "-1MB", "1XB", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_a_writer_that_was_opened_before_uses_what_another_asked_for(tmp_path: Path, media: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as first:
        with Collection.open(tmp_path / "db", encoder=ToyEncoder(), index=IndexConfig(spec="float16")) as second:
            second.index([media])
        (media / "more.txt").write_text("another note")
        first.index([media])
        assert first.search(Query.of("red")).searched == {"image": 4, "text": 2}
    assert set(specs(tmp_path / "db").values()) == {"float16"}
