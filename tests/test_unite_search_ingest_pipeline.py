"""The stream from files to the catalog: interrupts, failures of the encoder, bounds on what is in flight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Condition

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from toy import LOG_VARIABLE, ToyEncoder

from unite_search.collection import Collection
from unite_search.content import Content
from unite_search.encoders.base import Role
from unite_search.ingest import pipeline
from unite_search.query import Query, SearchOptions
from unite_search.report import IndexOptions, Progress

PICTURES = 40


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02}.png")
    return folder


def test_what_was_embedded_before_an_interrupt_is_not_embedded_again(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(LOG_VARIABLE, str(log))
    monkeypatch.setattr(pipeline, "COMMIT_ITEMS", 4)
    monkeypatch.setattr("unite_search.ingest.progress.SHOW_EVERY_S", 0.0)

    def interrupt(progress: Progress) -> None:
        if progress.items >= 12:
            raise KeyboardInterrupt

    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        with pytest.raises(KeyboardInterrupt):
            collection.index([pictures], IndexOptions(batch_size=4), interrupt)
        kept = collection.status().files
        assert 12 <= kept < PICTURES
        report = collection.index([pictures], IndexOptions(batch_size=4))
        assert (report.unchanged, report.added) == (kept, PICTURES - kept)
        assert collection.verify() == []
    embedded = log.read_text().split()
    assert len(set(embedded)) == PICTURES
    assert len(embedded) - PICTURES <= 4 * (ToyEncoder.concurrency + pipeline.BATCHES_WAITING + 1)


class WatchedEncoder(ToyEncoder):
    """Knows how many calls of `encode` there were at once, at most; a call lasts until another comes, or a while."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.most = self._now = 0
        self._changed = Condition()

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > 1, 0.2)
            self._now -= 1
        return super().encode(contents, role=role)


@pytest.mark.parametrize("concurrency", [1, 2])
def test_the_encoder_is_called_by_as_many_threads_as_it_allows(
    tmp_path: Path, pictures: Path, concurrency: int
) -> None:
    """And each picture still gets its own vector: asked with nearly the same, it is the first answer."""
    encoder = WatchedEncoder(concurrency)
    with Collection.open(tmp_path / "db", encoder=encoder, create=True) as collection:
        assert collection.index([pictures], IndexOptions(batch_size=4)).added == PICTURES
        assert encoder.most == concurrency
        for path in pictures.iterdir():
            pixels = np.array(Image.open(path))
            pixels[0, 0] ^= 1
            Image.fromarray(pixels).save(tmp_path / "nearly.png")
            first = collection.search(Query.of(image=tmp_path / "nearly.png"), SearchOptions(top_k=1)).hits[0]
            assert Path(first.uri) == path


def test_a_failing_encoder_keeps_what_came_before_and_is_not_hidden(tmp_path: Path, pictures: Path) -> None:
    class Failing(ToyEncoder):
        seen = 0

        def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
            self.seen += len(contents)
            if self.seen > 20:
                raise RuntimeError("out of memory")
            return super().encode(contents, role=role)

    with Collection.open(tmp_path / "db", encoder=Failing(), create=True) as collection:
        with pytest.raises(RuntimeError, match="out of memory"):
            collection.index([pictures], IndexOptions(batch_size=4))
        assert 0 < collection.status().files <= 20
        assert collection.verify() == []


def test_a_slow_encoder_does_not_make_contents_pile_up(tmp_path: Path, pictures: Path) -> None:
    class Counting(ToyEncoder):
        largest = 0

        def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
            self.largest = max(self.largest, len(contents))
            return super().encode(contents, role=role)

    encoder = Counting()
    with Collection.open(tmp_path / "db", encoder=encoder, create=True) as collection:
        report = collection.index([pictures], IndexOptions(batch_size=8))
    assert report.embedded == PICTURES
    assert 0 < encoder.largest <= 8


def test_progress_ends_with_every_file_counted(tmp_path: Path, pictures: Path) -> None:
    (pictures / "broken.jpg").write_text("no picture")
    seen: list[Progress] = []
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([pictures], IndexOptions(batch_size=8), seen.append)
    last = seen[-1]
    assert (last.stage, last.files_total, last.files_done) == ("done", PICTURES + 1, PICTURES + 1)
    assert (last.items, last.skipped, last.scan_finished) == (PICTURES, 1, True)
    assert [one.files_done for one in seen] == sorted(one.files_done for one in seen)
