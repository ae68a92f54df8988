"""What one file may cost: time, items and bytes, whatever its worker sends; and that other files do not wait for it."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from drawn_media import ForgingSampler, HangingSampler, SlowSampler, found, numbered_frames, quadrants, write_clip
from typer.testing import CliRunner

from unite_search.cli.app import app
from unite_search.content import Content, FrameSampler, MediaSpec, UniformFrames
from unite_search.media import decode_pool
from unite_search.media.decode_pool import DecodePool, Finished
from unite_search.media.messages import Completed, Hashed, Message, written
from unite_search.media.read import read_file
from unite_search.media.reading import Reading
from unite_search.media.types import Cut, Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped
from unite_search.media.wire import MalformedMessageError

FILM = MediaFile(path=Path("/film.mp4"), modality="video", size_bytes=2_000_000_000, mtime_ns=1)
DIGEST = "ab" * 16
HOUR_S = 3600.0
BAD_FRAMES, GOOD_FRAMES = 30, 5


def options(sampler: FrameSampler | None = None, **limits: Any) -> ReadOptions:
    spec = MediaSpec(image_side=24, frame_side=24, sampler=sampler or UniformFrames(3))
    return ReadOptions(media=spec, segments=0.5, **limits)


def begun(duration_s: float | None, drafts: int = 0, **limits: Any) -> Reading:
    """A file whose worker has sent its hash, its facts, and some drafts of a minute each."""
    reading = Reading(FILM, replace(options(), **limits), since_s=0.0, sent_bytes=100)
    sent = [Draft(content=Content(("a",)), start_s=60.0 * n, end_s=60.0 * (n + 1)) for n in range(drafts)]
    messages: list[Message] = [Hashed(Hashes(DIGEST)), Facts(duration_s=duration_s), *sent]
    for message in messages:
        reading.read([written(message)])
    return reading


def events_of(pool: DecodePool, files: list[MediaFile], is_held: Callable[[MediaFile], bool] | None = None) -> Any:
    return [(file.path.name, event) for file, event in pool.run(iter(files), lambda *_: True, is_held)]


def draw_text(path: Path, passages: int) -> MediaFile:
    path.write_text("\n\n".join(f"passage {number} " + "word " * 150 for number in range(passages)))
    return found(path, "text")


def test_a_film_of_three_hours_is_within_the_budget() -> None:
    """Decoded as slowly as it plays, in windows of a minute, each with a megabyte of frames."""
    reading = begun(3 * HOUR_S, drafts=216)
    for _ in range(216):
        reading.work(50.0)
    assert reading.excess(100 + 216 * 1_200_000) is None


def test_reading_a_large_file_from_a_slow_disk_counts_for_nothing() -> None:
    large = replace(FILM, size_bytes=50_000_000_000)
    assert ReadOptions(media=MediaSpec()).work_limit_s(large.size_bytes, None) == 600 + 2500


@pytest.mark.parametrize(("duration_s", "limit"), [(None, "11:40"), (60.0, "12:40"), (25 * HOUR_S, "3:11:40")])
def test_a_file_that_sends_something_now_and_then_ends(duration_s: float | None, limit: str) -> None:
    reading = begun(duration_s)
    drafts = 0
    while reading.excess(0) is None:
        reading.work(50.0)
        drafts += 1
        reading.read([written(Draft(content=Content(("a",)), start_s=0.0, end_s=60.0 * drafts))])
        assert drafts < 1000
    assert str(reading.excess(0)).startswith(f"it took longer than {limit}; left out is what follows ")


def test_more_items_or_bytes_than_one_file_may_have_are_too_many() -> None:
    assert begun(None, drafts=3, max_items=3).excess(0) is None
    assert begun(None, drafts=4, max_items=3).excess(0) == "more than 3 items; left out is what follows 04:00"
    reading = begun(600.0, drafts=1, max_handed_bytes=1_000_000)
    assert reading.excess(1_000_100) is None
    assert reading.excess(1_000_101) == "more than 1.0 MB of pictures; left out is what follows 01:00 of 10:00"


@pytest.mark.parametrize(
    "group",
    [
        [Facts()],
        [Completed()],
        [Hashed(Hashes(DIGEST)), Hashed(Hashes(DIGEST))],
        [Hashed(Hashes(DIGEST)), Draft(content=Content(("a",)))],
        [Hashed(Hashes(DIGEST)), Completed()],
        [Hashed(Hashes(DIGEST)), Facts(), Facts()],
        [Hashed(Hashes(DIGEST)), Facts(), Completed(), Completed()],
        [Hashed(Hashes(DIGEST)), Facts(), Skipped(path=FILM.path, reason="a"), Draft(content=Content(("a",)))],
    ],
)
def test_messages_in_another_order_are_refused(group: list[Any]) -> None:
    reading = Reading(FILM, options(), since_s=0.0, sent_bytes=0)
    with pytest.raises(MalformedMessageError, match="wrong order"):
        reading.read([written(message) for message in group])
    with pytest.raises(MalformedMessageError):
        reading.read({"a": 1})


def test_a_text_with_too_many_passages_is_cut(tmp_path: Path) -> None:
    file = draw_text(tmp_path / "log.txt", 40)
    events = list(read_file(file, options(max_items=5)))
    assert sum(isinstance(event, Draft) for event in events) == 5
    assert events[-1] == Cut(path=file.path, reason="more than 5 items; left out is what follows the first 5")
    assert not [event for event in read_file(file, options(max_items=40)) if isinstance(event, Cut)]


def test_a_text_with_too_many_bytes_is_cut(tmp_path: Path) -> None:
    file = draw_text(tmp_path / "log.txt", 40)
    whole = [event.text for event in read_file(file, options()) if isinstance(event, Draft)]
    *events, cut = read_file(file, options(max_text_bytes=10_000))
    read = [event.text for event in events if isinstance(event, Draft)]
    assert read[:-1] == whole[: len(read) - 1]
    rest = file.size_bytes - 10_000
    assert cut == Cut(path=file.path, reason=f"more than 10.0 KB of text; left out are the last {rest / 1000:.1f} KB")


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_a_video_with_too_many_windows_is_cut(tmp_path: Path, name: str) -> None:
    codec = "gif" if name.endswith("gif") else "libx264"
    file = found(write_clip(tmp_path / name, numbered_frames(40), codec=codec), "video")
    events = list(read_file(file, options(max_items=3)))
    assert sum(isinstance(event, Draft) for event in events) == 3
    assert events[-1] == Cut(path=file.path, reason="more than 3 items; left out is what follows 00:01 of 00:04")


def test_what_came_before_the_cut_is_kept(tmp_path: Path) -> None:
    files = [draw_text(tmp_path / "log.txt", 200), draw_text(tmp_path / "note.txt", 2)]
    with DecodePool(options(max_items=100), workers=1) as pool:
        events = events_of(pool, files)
    log = [event for name, event in events if name == "log.txt"]
    assert sum(isinstance(event, Draft) for event in log) == 100
    assert isinstance(log[-2], Cut)
    assert isinstance(log[-1], Finished)
    assert isinstance(events[-1][1], Finished)


@pytest.mark.slow
def test_a_worker_that_sends_something_now_and_then_is_ended(tmp_path: Path) -> None:
    """Each window takes 5 s, so that the worker is never silent for long, and all of them would take a minute."""
    clip = found(write_clip(tmp_path / "slow.mp4", numbered_frames(BAD_FRAMES)), "video")
    with DecodePool(options(SlowSampler(BAD_FRAMES, 5.0), work_s=9.0), workers=1) as pool:
        *drafts, cut, finished = [event for _, event in events_of(pool, [clip])][1:]
    assert isinstance(cut, Cut)
    assert cut.reason.startswith("it took longer than 00:12; left out is what follows 00:0")
    assert isinstance(finished, Finished)
    assert 1 <= len(drafts) < 6


FORGED = {
    "a pickle": pickle.dumps(print),
    "a huge header": struct.pack("<I", 1 << 31),
    "half a header": struct.pack("<I", 1000) + b"[",
    "facts once more": struct.pack("<I", 39) + b'[["facts",null,null,null,null,"{}"   ]]',
    "a huge array": struct.pack("<I", 39) + b'[{"array":["uint8",[9999999,9999999]]}]',
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_worker_that_sends_nonsense_costs_one_file(tmp_path: Path, forged: bytes) -> None:
    clips = [
        found(write_clip(tmp_path / name, numbered_frames(count)), "video")
        for name, count in (("bad.mp4", BAD_FRAMES), ("good.mp4", GOOD_FRAMES))
    ]
    with DecodePool(options(ForgingSampler(BAD_FRAMES, forged)), workers=1) as pool:
        events = events_of(pool, clips)
    (skipped,) = [event for _, event in events if isinstance(event, Skipped)]
    assert skipped.path.name == "bad.mp4"
    assert skipped.reason.startswith("the decoder crashed (it sent ")
    assert isinstance(events[-1][1], Finished)


def test_no_file_waits_behind_one_that_hangs(tmp_path: Path) -> None:
    clip = found(write_clip(tmp_path / "bad.mp4", numbered_frames(BAD_FRAMES)), "video")
    for number in range(9):
        quadrants(30 + number).save(tmp_path / f"{number}.png")
    pictures = [found(tmp_path / f"{number}.png", "image") for number in range(9)]
    with DecodePool(options(HangingSampler(BAD_FRAMES), timeout_s=30.0), workers=2) as pool:
        for number, (file, event) in enumerate(pool.run(iter([clip, *pictures]), lambda *_: True)):
            if isinstance(event, Finished) and file.path.name == "8.png":
                break
            assert not isinstance(event, Skipped)
            assert number < 100


def test_a_slow_file_takes_no_worker_from_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_pool, "SLOW_S", 0.5)
    clips = [found(write_clip(tmp_path / f"{n}.mp4", numbered_frames(BAD_FRAMES)), "video") for n in range(1)]
    quadrants().save(tmp_path / "a.png")
    picture = found(tmp_path / "a.png", "image")
    with DecodePool(options(HangingSampler(BAD_FRAMES), timeout_s=40.0), workers=1) as pool:
        for file, event in pool.run(iter([*clips, picture]), lambda *_: True):
            assert not isinstance(event, Skipped)
            if isinstance(event, Finished):
                assert file == picture
                return
    pytest.fail("the picture was not read")


def test_a_text_that_is_held_waits_for_the_pictures(tmp_path: Path) -> None:
    text = draw_text(tmp_path / "log.txt", 500)
    for number in range(12):
        quadrants(30 + number).save(tmp_path / f"{number}.png")
    pictures = [found(tmp_path / f"{number}.png", "image") for number in range(12)]
    come: list[str] = []
    with DecodePool(options(), workers=2) as pool:
        for file, event in pool.run(
            iter([text, *pictures]),
            lambda *_: True,
            lambda file: file == text and "log.txt" in come and len(set(come)) <= 12,
        ):
            come.append(file.path.name)
            assert not isinstance(event, Skipped)
    last_picture = max(number for number, name in enumerate(come) if name != "log.txt")
    assert come[:last_picture].count("log.txt") <= 64 + 2
    assert come.count("log.txt") == 502


def test_index_names_what_it_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unite_search.ingest.indexing.ReadOptions", partial(ReadOptions, max_items=2))
    file = draw_text(tmp_path / "long.txt", 5)
    index = ["index", str(file.path), "--db", str(tmp_path / "db")]
    done = CliRunner().invoke(app, [*index, "--json"])
    report = json.loads(done.stdout)
    reason = "more than 2 items; left out is what follows the first 2"
    assert report["cut"] == [{"uri": str(file.path), "reason": reason}]
    assert f"long.txt was indexed in part: {reason}" in done.stderr
    assert (report["items"], report["added"], report["skipped"]) == (2, 1, [])
    assert json.loads(CliRunner().invoke(app, [*index, "--json"]).stdout)["unchanged"] == 1
