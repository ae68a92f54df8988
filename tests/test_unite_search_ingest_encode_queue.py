"""Which drafts are encoded next: the first picture of each file, then passages and clips, each file in its turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from drawn_media import HangingSampler, numbered_frames, quadrants, write_clip
from numpy.typing import NDArray
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.content import Clip, Content, Image, MediaSpec
from unite_search.encoders.base import Role
from unite_search.ingest.encode_queue import BULK_BETWEEN, EncodeQueue
from unite_search.media.types import Draft, ReadOptions
from unite_search.report import IndexOptions, Progress

PICTURE = Draft(content=Content((Image(np.zeros((2, 2, 3), np.uint8)),)))
CAPTIONED = Draft(content=Content(("a caption", Image(np.zeros((2, 2, 3), np.uint8)))))
PASSAGE = Draft(content=Content(("a passage",)))
CLIP = Draft(content=Content((Clip(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1)),)))


def filled(
    passages: dict[str, int], pictures: Sequence[str] = (), clips: Mapping[str, int] | None = None
) -> EncodeQueue[str]:
    queue: EncodeQueue[str] = EncodeQueue()
    for many, draft in ((passages, PASSAGE), (clips or {}, CLIP)):
        for name, count in many.items():
            for number in range(count):
                queue.put(name, draft, is_first=not number)
    for name in pictures:
        queue.put(name, CAPTIONED if name == "captioned" else PICTURE, is_first=True)
    return queue


def owners(
    queue: EncodeQueue[str], size: int, *, is_idle: bool = False, has_rivals: bool = True, are_last: bool = False
) -> list[str]:
    batch = queue.next_batch(size, is_idle=is_idle, has_rivals=has_rivals, are_last=are_last)
    return [owner for owner, _ in batch.drafts]


def test_pictures_do_not_wait_for_the_passages_before_them() -> None:
    queue = filled({"log": 3000}, ["a", "captioned", "c"])
    assert owners(queue, 4) == []
    assert owners(queue, 3) == ["a", "captioned", "c"]
    assert owners(queue, 4, is_idle=True) == ["log"] * BULK_BETWEEN


def test_an_idle_encoder_takes_the_pictures_that_are_there() -> None:
    queue = filled({"log": 3000}, ["a"])
    assert owners(queue, 32, is_idle=True) == ["a"]


def test_the_last_pictures_wait_for_nothing() -> None:
    queue = filled({"log": 3000}, ["a", "b"])
    assert owners(queue, 32) == []
    assert owners(queue, 32, are_last=True) == ["a", "b"]


def test_without_pictures_a_batch_is_full_of_passages() -> None:
    queue = filled({"log": 40}, ["a"])
    assert owners(queue, 32, has_rivals=False) == ["log"] * 32
    assert owners(queue, 32, has_rivals=False) == []
    assert owners(queue, 32, has_rivals=False, is_idle=True) == ["a"]
    assert owners(queue, 32, has_rivals=False, is_idle=True) == ["log"] * 8
    assert owners(queue, 32, has_rivals=False, is_idle=True) == []


def test_each_text_has_its_turn() -> None:
    queue = filled({"log": 3000, "note": 1, "book": 3})
    assert owners(queue, 8, has_rivals=False) == ["log", "note", "book", "log", "book", "log", "book", "log"]


def test_many_texts_do_not_wait_for_pictures_for_ever() -> None:
    queue = filled({f"note {number}": 2 for number in range(4)}, ["a"])
    assert owners(queue, 4) == ["note 0", "note 1", "note 2", "note 3"]


def test_photos_do_not_wait_for_the_clips_of_a_film() -> None:
    queue = filled({}, ["a", "b"], {"film": 100, "other film": 100})
    assert owners(queue, 32, is_idle=True) == ["film", "other film", "a", "b"]
    assert owners(queue, 32, is_idle=True) == ["film", "other film"]
    assert owners(queue, 4, has_rivals=False) == ["film", "other film"] * 2


def test_passages_and_clips_take_turns_in_batches_of_their_own() -> None:
    queue = filled({"note": 2, "log": 5}, [], {"film": 6})
    assert owners(queue, 32, are_last=True) == ["film"]
    assert owners(queue, 3, has_rivals=False) == ["note", "log", "note"]
    assert owners(queue, 3, has_rivals=False) == ["film"] * 3
    assert owners(queue, 3, has_rivals=False) == ["log"] * 3
    assert owners(queue, 3, has_rivals=False, is_idle=True) == ["film"] * 2
    assert owners(queue, 3, has_rivals=False, is_idle=True) == ["log"]


class SlowEncoder(ToyEncoder):
    """Takes as long for each content as a small model, and remembers what came: photos, clips and texts, by letter."""

    def __init__(self) -> None:
        self.came = ""

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        time.sleep(0.01 * len(contents))
        letters = {str: "t", Image: "p", Clip: "c"}
        self.came += "".join(letters[type(content.parts[0])] for content in contents)
        return super().encode(contents, role=role)


def test_a_log_among_photos_is_encoded_after_them(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "a.txt").write_text(" ".join(f"word{number}" for number in range(160 * 600)))
    for number in range(60):
        quadrants(30 + number).save(folder / f"b{number}.png")
    encoder = SlowEncoder()
    with Collection.open(tmp_path / "db", encoder=encoder, create=True) as collection:
        report = collection.index([folder], IndexOptions(workers=2, batch_size=8))
    assert (report.added, report.items) == (61, 660)
    before_the_last_photo = encoder.came[: encoder.came.rindex("p")]
    assert before_the_last_photo.count("t") < 200
    assert encoder.came.count("t") == 600


def test_a_film_among_photos_is_encoded_after_them(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    write_clip(folder / "a.mp4", numbered_frames(200))
    for number in range(60):
        quadrants(30 + number).save(folder / f"b{number}.png")
    encoder = SlowEncoder()
    with Collection.open(tmp_path / "db", encoder=encoder, create=True) as collection:
        report = collection.index([folder], IndexOptions(workers=2, batch_size=8, segments=0.05))
    assert report.added == 61
    before_the_last_photo = encoder.came[: encoder.came.rindex("p")]
    assert before_the_last_photo.count("c") < 60
    assert encoder.came.count("c") > 150


def test_a_photo_is_committed_while_the_file_beside_it_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unite_search.ingest.indexing.ReadOptions", partial(ReadOptions, timeout_s=4.0))
    folder = tmp_path / "media"
    folder.mkdir()
    quadrants().save(folder / "a.png")
    write_clip(folder / "b.mp4", numbered_frames(5))
    encoder = SlowEncoder()
    encoder.media = MediaSpec(sampler=HangingSampler(5))
    seen: list[Progress] = []
    with Collection.open(tmp_path / "db", encoder=encoder, create=True) as collection:
        report = collection.index([folder], IndexOptions(workers=2), seen.append)
    assert [skipped.reason for skipped in report.skipped] == ["timed out after 4 s"]
    assert any((moment.items, moment.files_done) == (1, 1) for moment in seen)
