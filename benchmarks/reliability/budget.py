"""Put one file that never ends beside 58 photos, and see that it is cut with a message and that the photos do not wait.

The files: a GIF of a million frames, a video of 25 hours with one key frame, a million subtitles as a file of its own
and beside a clip, logs of 3 and of 64 MB. With the built-in encoder the photos are timed beside each of them, in turns:
the catalog is read to see when the last photo is committed, and then the run is killed. Then each file is indexed to
its end, with an encoder that takes no time: the built-in one would take half an hour for the text of one file.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import lance
import numpy as np
from PIL import Image

from benchmarks.common.free_encoder import FreeEncoder
from benchmarks.reliability.commands import Program, end
from benchmarks.reliability.media import write_clip

LOOK_EVERY_S = 0.1
GIVE_UP_S = 1200.0
SMALL_LOG_BYTES = 3 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        photos: photos beside each file.
        side: width of a photo in pixels.
        frames: frames of the GIF.
        hours: length of the video.
        cues: subtitles.
        log_bytes: size of the large log.
        rounds: how often the photos are timed beside each file, in turn; the medians are compared.
    """

    photos: int = 58
    side: int = 1600
    frames: int = 1_000_000
    hours: float = 25
    cues: int = 1_000_000
    log_bytes: int = 64 << 20
    rounds: int = 5


SMALL = Scale(photos=6, side=200, frames=300, hours=0.05, cues=100, log_bytes=1 << 13, rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One whole run of `index`, with an encoder that takes no time.

    Attributes:
        code: the exit code; -9 if it did not end within 20 minutes.
        seconds: wall time.
        photos: photos in the catalog at the end.
        items: items of the other file.
        said: what the report says of the other file.
        is_raw: it said what no user should read.
        left_running: processes that stayed behind.
    """

    code: int
    seconds: float
    photos: int
    items: int
    said: str
    is_raw: bool
    left_running: int


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Index the photos alone and beside each file, in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = Program(folder / "encoder")
        for name, write in files(scale).items():
            _prepare(folder / name, scale, write)
        _prepare(folder / "alone", scale, lambda _: None)
        _run(program, folder / "alone", folder / "databases" / "warm", scale.photos)
        times: dict[str, list[float]] = {}
        for number in range(scale.rounds):
            for name in ("alone", *files(scale)):
                database = folder / "databases" / f"{name} {number}"
                seconds = _photos_after_s(program, folder / name, database, scale.photos)
                times.setdefault(name, []).append(seconds)
                sys.stderr.write(f"{name}: photos after {seconds:.2f} s\n")
        runs: dict[str, Run] = {}
        for name in files(scale):
            runs[name] = _run(program, folder / name, folder / "databases" / name, scale.photos)
            sys.stderr.write(f"{name}: {runs[name]}\n")
    alone = statistics.median(times["alone"])
    return {
        "photos": scale.photos,
        "photos_alone_s": round(alone, 2),
        "photos_missing": max(scale.photos - one.photos for one in runs.values()),
        "raw_errors": sum(one.is_raw for one in runs.values()),
        "left_running": sum(one.left_running for one in runs.values()),
        "by_file": {name: _summary(one, times[name], alone) for name, one in runs.items()},
    }


def files(scale: Scale) -> dict[str, Callable[[Path], None]]:
    """Return what writes each file, by what it is."""
    return {
        "log of 3 MB": lambda folder: write_log(folder / "other.txt", min(SMALL_LOG_BYTES, scale.log_bytes)),
        "log of 64 MB": lambda folder: write_log(folder / "other.txt", scale.log_bytes),
        "GIF of a million frames": lambda folder: write_gif(folder / "other.gif", scale.frames),
        "video of 25 hours with one key frame": lambda folder: write_long_clip(folder / "other.mp4", scale.hours),
        "a million subtitles": lambda folder: write_cues(folder / "other.srt", scale.cues),
        "a million subtitles beside a clip": lambda folder: _clip_with_cues(folder, scale.cues),
    }


def write_log(path: Path, size_bytes: int) -> None:
    """Write lines of a log, all different."""
    with path.open("w", encoding="utf-8") as stream:
        number = 0
        while stream.tell() < size_bytes:
            lines = (f"2026-01-01 12:00:00 worker {n % 17}: request {n} took {n * 37 % 1000} ms\n" for n in range(1000))
            stream.write("".join(f"{number} {line}" for line in lines))
            number += 1


def write_gif(path: Path, frames: int) -> None:
    """Write a GIF whose frames change one pixel each: 23 bytes a frame."""
    screen = (32).to_bytes(2, "little") + (24).to_bytes(2, "little") + b"\x91\0\0"
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    control = b"\x21\xf9\x04\x04\x0a\0\0\0"
    pixels = (b"\x02\x02\x44\x01\0", b"\x02\x02\x4c\x01\0")
    with path.open("wb") as stream:
        stream.write(b"GIF89a" + screen + colours)
        for number in range(frames):
            place = (number % 32).to_bytes(2, "little") + (number // 32 % 24).to_bytes(2, "little")
            stream.write(control + b"\x2c" + place + b"\x01\0\x01\0\0" + pixels[number % 2])
        stream.write(b"\x3b")


def write_long_clip(path: Path, hours: float) -> None:
    """Write a video of one frame a second, of which only the first is a key frame."""
    seconds = int(3600 * hours)
    rough = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    options = {"preset": "ultrafast", "sc_threshold": "0", "x264-params": f"keyint={seconds + 1}:scenecut=0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.gop_size = seconds + 1
        for number in range(seconds):
            frame = av.VideoFrame.from_ndarray(rough, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_cues(path: Path, count: int) -> None:
    """Write subtitles, one every tenth of a second."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            start, end_ = (_clock(number * 100 + more) for more in (0, 90))
            stream.write(f"{number + 1}\n{start} --> {end_}\nspoken words, {number}\n\n")


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{rest:03}"


def _clip_with_cues(folder: Path, count: int) -> None:
    rough = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    write_clip(folder / "other.mp4", 30 * [rough])
    write_cues(folder / "other.srt", count)


def _prepare(folder: Path, scale: Scale, write: Callable[[Path], None]) -> None:
    """Write the photos, and the other file so that it comes first."""
    (folder / "photos").mkdir(parents=True)
    for number in range(scale.photos):
        rough = np.random.default_rng(number).integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((scale.side, scale.side * 3 // 4)).save(folder / "photos" / f"{number:03}.jpg")
    write(folder)


def _photos_after_s(program: Program, folder: Path, database: Path, photos: int) -> float:
    """Index with the built-in encoder until the last photo is committed; return when that was.

    Raises:
        RuntimeError: the run ended without all photos, or took more than 20 minutes for them.
    """
    database.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    process = program.start("index", str(folder), "--db", str(database))
    try:
        while True:
            has_ended = process.poll() is not None
            found, seconds = _count(database)[0], time.monotonic() - started
            if found >= photos:
                return seconds
            if has_ended or seconds > GIVE_UP_S:
                raise RuntimeError(f"{folder.name}: {found} of {photos} photos after {seconds:.0f} s")
            time.sleep(LOOK_EVERY_S)
    finally:
        end(process)
        process.wait()


def _run(program: Program, folder: Path, database: Path, photos: int) -> Run:
    database.parent.mkdir(exist_ok=True)
    arguments = ("index", str(folder), "--db", str(database), "--encoder", FreeEncoder.name, "--json")
    ended = program.run(*arguments, timeout_s=GIVE_UP_S)
    found, items = _count(database)
    return Run(
        code=ended.code,
        seconds=ended.seconds,
        photos=found,
        items=items,
        said=_said(ended.stdout).replace(f"{folder}/", ""),
        is_raw=ended.is_raw,
        left_running=ended.left_running,
    )


def _count(database: Path) -> tuple[int, int]:
    """Return how many items of photos and of the other file are committed."""
    try:
        table = lance.dataset(str(database / "catalog" / "items.lance")).to_table(columns=["uri"])
    except (ValueError, OSError):
        return 0, 0
    photos = sum("/photos/" in uri for uri in table["uri"].to_pylist())
    return photos, len(table) - photos


def _said(text: str) -> str:
    """Return what the report says of the other file."""
    try:
        report = json.loads(text[text.index("{") :])
    except ValueError:
        return text[-300:]
    reasons = [entry["reason"] for entry in report["skipped"] if "/other." in entry["uri"]]
    return "; ".join([*reasons, *(line for line in report["warnings"] if "other." in line)])


def _summary(done: Run, times: list[float], alone: float) -> dict[str, Any]:
    photos_after_s = statistics.median(times)
    return {
        "exit_code": done.code,
        "seconds": round(done.seconds, 1),
        "photos_after_s": round(photos_after_s, 2),
        "all_photos_after_s": [round(seconds, 2) for seconds in times],
        "photos_slower_by_percent": round(100 * (photos_after_s / alone - 1), 1),
        "items": done.items,
        "said": done.said,
    }
