"""A collection of the toy encoder as a training source: which of its files give which pair."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from drawn_media import numbered_frames, write_clip

from train.config import DataConfig, ModelConfig, RunConfig, SourceConfig, TrainConfig
from train.data.pairs import Pair, Side, balance
from train.data.sources import read_pairs
from unite_search.collection import Collection
from unite_search.errors import CollectionNotFoundError
from unite_search.report import IndexOptions

SUBTITLES = "1\n00:00:00,000 --> 00:00:02,000\nwhat is said\n"


def pairs_of(collection: Collection) -> list[Pair]:
    return read_pairs(SourceConfig(kind="collection", path=str(collection.directory)))


@pytest.fixture
def captioned(collection: Collection, media: Path) -> Path:
    """Two photos with captions, one by `.txt` and one by `.json`; two without and a text have none."""
    (media / "red.txt").write_text("a red wall\n")
    (media / "blue.json").write_text('{"title": "the  sea"}')
    collection.index([media])
    return media


def test_a_caption_finds_its_photo_and_what_has_none_is_left_out(collection: Collection, captioned: Path) -> None:
    found = {pair.query.text: pair.candidate for pair in pairs_of(collection)}
    assert found == {
        "a red wall": Side(images=(str(captioned / "red.png"),)),
        "the sea": Side(images=(str(captioned / "blue.png"),)),
    }


def test_a_long_clip_is_one_pair_and_what_is_said_in_it_is_no_caption(collection: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("both", "titled", "said", "numbered"):
        write_clip(folder / f"{name}.mp4", numbered_frames(40))
    (folder / "both.txt").write_text("grey becomes white")
    (folder / "titled.json").write_text('{"title": "slowly white"}')
    (folder / "numbered.json").write_text('{"title": 5}')
    for name in ("both", "titled", "said", "numbered"):
        (folder / f"{name}.srt").write_text(SUBTITLES)
    collection.index([folder], IndexOptions(segments=1.0))
    assert collection.count(where="text LIKE '%what is said%'") > 4, "the index cut no clip into windows"
    found = pairs_of(collection)
    assert balance(found) == {"text -> video": 2}
    assert {(pair.query.text, pair.candidate.videos) for pair in found} == {
        ("grey becomes white", (str(folder / "both.mp4"),)),
        ("slowly white", (str(folder / "titled.mp4"),)),
    }


def test_copies_of_a_photo_answer_each_others_captions(collection: Collection, captioned: Path) -> None:
    (captioned / "copy.png").write_bytes((captioned / "red.png").read_bytes())
    (captioned / "copy.txt").write_text("paint")
    collection.index([captioned])
    groups = {pair.query.text: pair.group for pair in pairs_of(collection)}
    assert groups["paint"] == groups["a red wall"] != groups["the sea"]


def test_a_folder_without_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError):
        read_pairs(SourceConfig(kind="collection", path=str(tmp_path)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_a_run_counts_the_photos_that_are_gone(
    collection: Collection,
    captioned: Path,
    unite_checkpoint: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("peft")
    from train.loop import Run

    (captioned / "white.txt").write_text("nothing at all")
    collection.index([captioned])
    (captioned / "red.png").unlink()
    source = SourceConfig(kind="collection", path=str(collection.directory))
    config = TrainConfig(
        run=RunConfig(out=str(tmp_path / "run"), steps=1),
        data=DataConfig(sources=(source,), batch=2, chunk=2),
        model=ModelConfig(kind="unite", checkpoint=str(unite_checkpoint)),
    )
    with caplog.at_level(logging.INFO, "train"):
        run = Run(config)
    assert "2 pairs, 1 skipped for media that cannot be read" in caplog.messages
    assert {pair.query.text for pair in run.sampler.batch(0)} == {"the sea", "nothing at all"}
    assert run.train().step == 1
