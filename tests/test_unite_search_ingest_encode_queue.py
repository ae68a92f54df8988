"""Which drafts are encoded next: pictures before passages, and each text in its turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from drawn_media import quadrants
from numpy.typing import NDArray
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.content import Content, Image
from unite_search.encoders.base import Role
from unite_search.ingest.encode_queue import PASSAGES_BETWEEN, EncodeQueue
from unite_search.media.types import Draft
from unite_search.report import IndexOptions

PICTURE = Draft(content=Content((Image(np.zeros((2, 2, 3), np.uint8)),)))
CAPTIONED = Draft(content=Content(("a caption", Image(np.zeros((2, 2, 3), np.uint8)))))
PASSAGE = Draft(content=Content(("a passage",)))


def filled(passages: dict[str, int], pictures: Sequence[str] = ()) -> EncodeQueue[str]:
    queue: EncodeQueue[str] = EncodeQueue()
    for name, count in passages.items():
        for _ in range(count):
            queue.put(name, PASSAGE)
    for name in pictures:
        queue.put(name, CAPTIONED if name == "captioned" else PICTURE)
    return queue


def owners(queue: EncodeQueue[str], size: int, *, is_idle: bool = False, has_rivals: bool = True) -> list[str]:
    return [owner for owner, _ in queue.next_batch(size, is_idle=is_idle, has_rivals=has_rivals)]


def test_pictures_do_not_wait_for_the_passages_before_them() -> None:
    queue = filled({"log": 3000}, ["a", "captioned", "c"])
    assert owners(queue, 4) == []
    assert owners(queue, 3) == ["a", "captioned", "c"]
    assert owners(queue, 4, is_idle=True) == ["log"] * PASSAGES_BETWEEN


def test_an_idle_encoder_takes_the_pictures_that_are_there() -> None:
    queue = filled({"log": 3000}, ["a"])
    assert owners(queue, 32, is_idle=True) == ["a"]


def test_the_last_pictures_wait_for_nothing() -> None:
    queue = filled({"log": 3000}, ["a", "b"])
    assert queue.next_batch(32, is_idle=False, has_rivals=True) == []
    last = queue.next_batch(32, is_idle=False, has_rivals=True, are_last=True)
    assert [owner for owner, _ in last] == ["a", "b"]


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


class SlowEncoder(ToyEncoder):
    """Takes as long for each content as a small model, and remembers what came: `p` for a picture, `t` for a text."""

    def __init__(self) -> None:
        self.came = ""

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        time.sleep(0.01 * len(contents))
        self.came += "".join("t" if isinstance(content.parts[0], str) else "p" for content in contents)
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
