"""The pool of decode workers, with files and samplers that misbehave."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_media import (
    GreedySampler,
    HangingSampler,
    KillingSampler,
    RaisingSampler,
    UnloadableSampler,
    found,
    numbered_frames,
    quadrants,
    write_clip,
)

from unite_search.content import Clip, FrameSampler, Image, MediaSpec, Part, UniformFrames
from unite_search.errors import UniteSearchError
from unite_search.media.decode_pool import FILES_AHEAD, DecodePool, Event, Finished, Unwanted
from unite_search.media.read import read_file
from unite_search.media.types import Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped, content_hash

BAD_FRAMES, GOOD_FRAMES = 7, 5
TIMEOUT_S = 8.0
"""A file takes milliseconds, but beside other tests a busy machine may leave a worker waiting for seconds."""


def options(sampler: FrameSampler | None = None, timeout_s: float = 60.0) -> ReadOptions:
    spec = MediaSpec(image_side=24, frame_side=24, sampler=sampler or UniformFrames(3))
    return ReadOptions(media=spec, segments=1.0, timeout_s=timeout_s)


def always(file: MediaFile, hashes: Hashes) -> bool:
    return True


def run(pool: DecodePool, files: list[MediaFile]) -> dict[str, list[Event]]:
    """Everything each file gave, in order, by name."""
    events: defaultdict[str, list[Event]] = defaultdict(list)
    for file, event in pool.run(iter(files), always):
        events[file.path.name].append(event)
    return dict(events)


def draw_library(folder: Path, count: int = 12) -> list[MediaFile]:
    """Pictures of different sizes, a clip of several segments, a text."""
    files = []
    for number in range(count):
        quadrants(30 + number, 40).save(folder / f"{number:02}.png")
        files.append(found(folder / f"{number:02}.png", "image"))
    files.insert(3, found(write_clip(folder / "clip.mp4", numbered_frames(30)), "video"))
    (folder / "note.txt").write_text("words " * 500)
    files.insert(6, found(folder / "note.txt", "text"))
    return files


def draw_clips(folder: Path, *, bad: int, good: int) -> list[MediaFile]:
    """Clips that a sampler misbehaves on, and clips that it does not, the bad ones first."""
    names = [(f"bad{number}.mp4", BAD_FRAMES) for number in range(bad)]
    names += [(f"good{number}.mp4", GOOD_FRAMES) for number in range(good)]
    return [found(write_clip(folder / name, numbered_frames(count)), "video") for name, count in names]


def reasons(events: dict[str, list[Event]]) -> dict[str, str]:
    return {name: last.reason for name, (*_, last) in events.items() if isinstance(last, Skipped)}


def is_same_part(first: Part, second: Part) -> bool:
    if isinstance(first, Image) and isinstance(second, Image):
        return np.array_equal(first.pixels, second.pixels)
    if isinstance(first, Clip) and isinstance(second, Clip):
        return np.array_equal(first.frames, second.frames) and np.array_equal(first.times_s, second.times_s)
    return first == second


def is_same(first: Event, second: Event) -> bool:
    if isinstance(first, Draft) and isinstance(second, Draft):
        said = [(draft.text, draft.start_s, draft.end_s, len(draft.content.parts)) for draft in (first, second)]
        return said[0] == said[1] and all(map(is_same_part, first.content.parts, second.content.parts))
    return first == second


@pytest.mark.parametrize("workers", [1, 3])
def test_the_pool_gives_what_reading_directly_gives(tmp_path: Path, workers: int) -> None:
    files = draw_library(tmp_path)
    with DecodePool(options(), workers=workers) as pool:
        events = run(pool, files)
    assert set(events) == {file.path.name for file in files}
    for file in files:
        expected = [*read_file(file, options()), Finished(Hashes(content_hash(file.path)))]
        found_events = events[file.path.name]
        assert len(found_events) == len(expected)
        assert all(map(is_same, found_events, expected)), file.path.name
    assert sum(isinstance(event, Draft) for event in events["clip.mp4"]) == 4


def test_what_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    files = draw_library(tmp_path)
    asked = {}

    def wants(file: MediaFile, hashes: Hashes) -> bool:
        asked[file.path.name] = hashes.content
        return file.path.suffix == ".txt"

    with DecodePool(options(), workers=2) as pool:
        events = list(pool.run(iter(files), wants))
    assert asked == {file.path.name: content_hash(file.path) for file in files}
    assert {file.path.name for file, event in events if isinstance(event, Unwanted)} == set(asked) - {"note.txt"}
    assert {file.path.name for file, event in events if isinstance(event, (Facts, Draft, Finished))} == {"note.txt"}


def test_without_files_no_process_is_started(tmp_path: Path) -> None:
    with DecodePool(options(), workers=2) as pool:
        assert list(pool.run(iter(()), always)) == []
        assert multiprocessing.active_children() == []


def test_files_are_drawn_only_a_few_ahead(tmp_path: Path) -> None:
    files = draw_library(tmp_path)
    drawn = 0

    def stream() -> Iterator[MediaFile]:
        nonlocal drawn
        for file in files:
            drawn += 1
            yield file

    with DecodePool(options(), workers=1) as pool:
        next(pool.run(stream(), always))
        assert drawn <= FILES_AHEAD + 1


def test_files_that_fail_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    files = draw_library(tmp_path)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    quadrants().save(tmp_path / "gone.png")
    bad = [found(tmp_path / name, "image") for name in ("empty.jpg", "broken.jpg", "gone.png")]
    (tmp_path / "gone.png").unlink()
    os.mkfifo(tmp_path / "pipe.png")
    bad.append(found(tmp_path / "pipe.png", "image"))
    with DecodePool(options(), workers=2) as pool:
        events = run(pool, [*bad[:2], *files, *bad[2:]])
    assert reasons(events) == {
        "empty.jpg": "empty file",
        "broken.jpg": "truncated image",
        "gone.png": "vanished while indexing",
        "pipe.png": "not a regular file",
    }
    assert sum(isinstance(last, Finished) for *_, last in events.values()) == len(files)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.gif"])
def test_flipped_bits_in_a_clip_cost_no_more_than_the_clip(tmp_path: Path, name: str) -> None:
    """In workers and not here: some of these make the decoder write where it should not."""
    path = write_clip(
        tmp_path / name, numbered_frames(12), codec={"avi": "mpeg4", "gif": "gif"}.get(name[2:], "libx264")
    )
    content = path.read_bytes()
    chance = random.Random(name)
    for number in range(40):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 30)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / f"{number}{path.suffix}").write_bytes(damaged)
    files = [found(tmp_path / f"{number}{path.suffix}", "video") for number in range(40)]
    with DecodePool(replace(options(timeout_s=20.0), max_pixels=1_000_000), workers=2) as pool:
        events = run(pool, [*files, found(path, "video")])
    ends = [sum(isinstance(event, (Finished, Skipped)) for event in given) for given in events.values()]
    assert ends == [1] * 41
    assert all(isinstance(given[-1], (Finished, Skipped)) for given in events.values())
    assert isinstance(events[name][-1], Finished)
    assert 0 < len(reasons(events)) < 40


def test_a_worker_that_dies_costs_one_file(tmp_path: Path) -> None:
    files = draw_clips(tmp_path, bad=2, good=6)
    with DecodePool(options(KillingSampler(BAD_FRAMES)), workers=2) as pool:
        events = run(pool, files)
    assert reasons(events) == dict.fromkeys(["bad0.mp4", "bad1.mp4"], "the decoder crashed (signal 9)")
    assert all(isinstance(events[f"good{number}.mp4"][-1], Finished) for number in range(6))


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    files = draw_clips(tmp_path, bad=1, good=5)
    started = time.monotonic()
    with DecodePool(options(HangingSampler(BAD_FRAMES), timeout_s=TIMEOUT_S), workers=1) as pool:
        events = run(pool, files)
    assert reasons(events) == {"bad0.mp4": "timed out after 8 s"}
    assert sum(isinstance(last, Finished) for *_, last in events.values()) == 5
    assert TIMEOUT_S < time.monotonic() - started < 10 * TIMEOUT_S


def test_a_consumer_that_takes_its_time_makes_nobody_time_out(tmp_path: Path) -> None:
    files = draw_library(tmp_path, count=4)
    outcomes = []
    with DecodePool(options(timeout_s=TIMEOUT_S), workers=2) as pool:
        for number, (_, event) in enumerate(pool.run(iter(files), always)):
            if number == 3:
                time.sleep(TIMEOUT_S + 1)
            outcomes.append(event)
    assert not [event for event in outcomes if isinstance(event, Skipped)]
    assert sum(isinstance(event, Finished) for event in outcomes) == len(files)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "needs too much memory"),
        (ZeroDivisionError("by a decoder"), "ZeroDivisionError: by a decoder"),
        (SystemExit(3), "the decoder crashed (exit code 3)"),
    ],
)
def test_what_no_decoder_should_raise_costs_one_file(tmp_path: Path, error: BaseException, reason: str) -> None:
    (clip,) = draw_clips(tmp_path, bad=1, good=0)
    quadrants().save(tmp_path / "a.png")
    with DecodePool(options(RaisingSampler(error)), workers=1) as pool:
        events = run(pool, [clip, found(tmp_path / "a.png", "image")])
    assert reasons(events) == {"bad0.mp4": reason}
    assert isinstance(events["a.png"][-1], Finished)


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    files = draw_library(tmp_path)
    with pytest.raises(KeyboardInterrupt), DecodePool(options(), workers=2) as pool:
        for _ in pool.run(iter(files), always):
            children = multiprocessing.active_children()
            raise KeyboardInterrupt
    assert len(children) >= 1
    assert multiprocessing.active_children() == []


SCRIPT = """
import sys
from multiprocessing import active_children
from pathlib import Path
from drawn_media import GreedySampler, HangingSampler, found
from unite_search.content import MediaSpec
from unite_search.media.types import ReadOptions
from unite_search.media.decode_pool import DecodePool

options = ReadOptions(media=MediaSpec(sampler=HangingSampler({frames})))
with DecodePool(options, workers=1) as pool:
    for file, event in pool.run(iter([found(Path(sys.argv[1]), "video")]), lambda file, digest: True):
        print(type(event).__name__, active_children()[0].pid, flush=True)
"""


def start_script(folder: Path, clip: MediaFile, *, hangs_on_frames: int) -> subprocess.Popen[str]:
    """Run a script without `if __name__ == "__main__"` that reads a clip."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(frames=hangs_on_frames))
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    return subprocess.Popen(
        [sys.executable, str(script), str(clip.path)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_script_without_a_guard_works(tmp_path: Path) -> None:
    (clip,) = draw_clips(tmp_path, bad=0, good=1)
    out, err = start_script(tmp_path, clip, hangs_on_frames=BAD_FRAMES).communicate(timeout=60)
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == ["Facts", "Draft", "Finished"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hanging_worker_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    (clip,) = draw_clips(tmp_path, bad=1, good=0)
    with start_script(tmp_path, clip, hangs_on_frames=BAD_FRAMES) as process:
        assert process.stdout
        worker = Path("/proc", process.stdout.readline().split()[1])
        assert worker.exists()
        process.kill()
    assert is_soon(lambda: not worker.exists() or "State:\tZ" in (worker / "status").read_text())


def is_soon(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    give_up = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_while_workers_start_does_not_reach_them(tmp_path: Path) -> None:
    files = draw_library(tmp_path)

    def interrupting() -> Iterator[MediaFile]:
        for file in files:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGINT)
            yield file

    with DecodePool(options(), workers=2) as pool:
        events = [event for _, event in pool.run(interrupting(), always)]
    assert sum(isinstance(event, Finished) for event in events) == len(files)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce the limit")
def test_memory_is_bounded(tmp_path: Path) -> None:
    files = draw_clips(tmp_path, bad=1, good=0)
    with DecodePool(options(GreedySampler()), workers=1) as pool:
        assert reasons(run(pool, files)) == {"bad0.mp4": "needs too much memory"}


def test_workers_that_cannot_start_end_the_run(tmp_path: Path) -> None:
    files = draw_library(tmp_path)
    with (
        DecodePool(options(UnloadableSampler(1)), workers=2) as pool,
        pytest.raises(UniteSearchError, match=r"ended before it read anything \(exit code 3\)"),
    ):
        run(pool, files)
    assert multiprocessing.active_children() == []


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="workers is 0; expected at least 1"):
        DecodePool(options(), workers=0)
