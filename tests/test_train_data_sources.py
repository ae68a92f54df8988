"""Published training formats, read from small files written as their projects write them, and from real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet, table

from train.config import SourceConfig
from train.data.pairs import Pair, Side
from train.data.sources import read_pairs
from unite_search.modality import Modality


def read(kind: str, path: Path, **settings: Any) -> list[Pair]:
    return read_pairs(SourceConfig(kind=kind, path=str(path), media="m", **settings))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.jsonl"
    rows = [
        {"path": f"{n}.jpg", "text": [f"a dog number {n}", "another"], "split": "dev" if n == 3 else "train"}
        for n in range(4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_captions_in_every_direction(manifest: Path) -> None:
    first = read("captions", manifest)[0]
    assert first == Pair(query=Side(text="a dog number 0"), candidate=Side(images=("m/0.jpg",)), group="m/0.jpg")
    assert read("photos", manifest)[0].candidate == first.query
    assert read("paraphrases", manifest)[0].candidate == Side(text="another")
    assert read("edits", manifest)[0].candidate == Side(images=("m/0.jpg#red",))


@pytest.mark.parametrize(("split", "photos"), [("train", "012"), ("dev", "3"), ("train[:2]", "01"), ("train[2:]", "2")])
def test_splits_and_parts_of_them(manifest: Path, split: str, photos: str) -> None:
    found = {pair.candidate.images[0] for pair in read("captions", manifest, split=split)}
    assert found == {f"m/{number}.jpg" for number in photos}


def test_unite_json(tmp_path: Path) -> None:
    path = tmp_path / "unite.json"
    entries = [
        {"query": {"text": "find <|IMAGE|>", "image": "a.jpg"}, "candidate": {"video": ["v.mp4"]}},
        {"query": {"text": "t"}, "candidate": {"text": "c"}, "negative": {"text": "n"}, "target_modal": "text,image"},
    ]
    path.write_text(json.dumps(entries))
    one, other = read("unite", path)
    assert (one.query, one.target_modality) == (Side(text="find <|IMAGE|>", images=("m/a.jpg",)), Modality.VIDEO)
    assert (other.negative, other.target_modality) == (Side(text="n"), Modality.TEXT | Modality.IMAGE)


def test_mmeb_parquet(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    columns = {
        "qry": ["<|image_1|>\nwhat?"],
        "qry_image_path": ["q.jpg"],
        "pos_text": ["a cat"],
        "pos_image_path": [""],
    }
    parquet.write_table(table(columns), path)
    (pair,) = read("mmeb", path)
    assert pair == Pair(query=Side(text="<|IMAGE|>\nwhat?", images=("m/q.jpg",)), candidate=Side(text="a cat"))


def test_clip_retrieval_parquet(tmp_path: Path) -> None:
    parquet.write_table(table({"image_path": ["a.jpg"], "caption": ["a dog"]}), tmp_path / "metadata_0.parquet")
    (pair,) = read("clip-retrieval", tmp_path)
    assert (pair.query, pair.candidate) == (Side(text="a dog"), Side(images=("m/a.jpg",)))


def test_webvid_covr_csv(tmp_path: Path) -> None:
    path = tmp_path / "covr.csv"
    path.write_text('txt1,txt2,pth1,pth2,edit,scores,more\nx,y,1/2,3/4,"make it, red",[0.1],?\n')
    (pair,) = read("covr", path)
    assert pair.query == Side(text="make it, red", videos=("m/1/2.mp4",))
    assert pair.candidate == Side(videos=("m/3/4.mp4",))


@pytest.mark.parametrize(
    ("kind", "path"), [("cirr", "cirr/cap.rc2.val.json"), ("fashioniq", "fashioniq/cap.dress.val.json")]
)
def test_real_annotations(kind: str, path: str, shared_data: Path) -> None:
    rows = json.loads((shared_data / "composed" / path).read_text())
    found = read(kind, shared_data / "composed" / path)
    assert len(found) == len(rows) > 1000
    assert all(pair.query.modalities == Modality.TEXT | Modality.IMAGE and pair.candidate.images for pair in found)


def test_what_cannot_be_read_is_named(manifest: Path) -> None:
    with pytest.raises(ValueError, match="known are captions"):
        read("laion", manifest)
    with pytest.raises(ValueError, match="no pairs of split 'test'"):
        read("captions", manifest, split="test")
    with pytest.raises(ValueError, match=r"expected a name, or name\[start:end\]"):
        read("captions", manifest, split="train[")


@pytest.mark.parametrize(
    ("content", "message"), [('{"path": "a.jpg"', "is not JSON"), ('{"split": "train"}', "an entry lacks 'path'")]
)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"{path} .*{message}"):
        read("captions", path)
