"""Put one file that never ends beside 58 photos, and see that it is cut with a message and that the photos do not wait.

The files: a GIF of a million frames, a video of 25 hours with one key frame, a million subtitles as a file of its own
and beside a clip, logs of 3 and of 64 MB. Each is indexed beside the photos with the built-in encoder; the catalog is
read meanwhile to see when the last photo is committed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import lance
import numpy as np
from PIL import Image

from benchmarks.reliability.commands import RAW, Program, end, left_running
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
        rounds: runs of each case, in turn; the medians are compared.
    """

    photos: int = 58
    side: int = 1600
    frames: int = 1_000_000
    hours: float = 25
    cues: int = 1_000_000
    log_bytes: int = 64 << 20
    rounds: int = 3


SMALL = Scale(photos=6, side=200, frames=300, hours=0.05, cues=100, log_bytes=1 << 13, rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of `index`.

    Attributes:
        code: the exit code; -9 if it did not end within 20 minutes.
        seconds: wall time.
        photos_after_s: when the last photo was committed; None if that was never seen.
        photos: photos in the catalog at the end.
        items: items of the other file.
        said: what the report says of the other file.
        is_raw: it said what no user should read.
        left_running: processes that stayed behind.
    """

    code: int
    seconds: float
    photos_after_s: float | None
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
        runs: dict[str, list[Run]] = {}
        for number in range(scale.rounds):
            for name in ("alone", *files(scale)):
                done = _run(program, folder / name, folder / "databases" / f"{name} {number}", scale.photos)
                runs.setdefault(name, []).append(done)
                sys.stderr.write(f"{name}: {done}\n")
    alone = _ready(runs.pop("alone"))
    return {
        "photos": scale.photos,
        "photos_alone_s": alone,
        "photos_missing": max(scale.photos - one.photos for many in runs.values() for one in many),
        "raw_errors": sum(one.is_raw for many in runs.values() for one in many),
        "left_running": sum(one.left_running for many in runs.values() for one in many),
        "by_file": {name: _summary(many, alone) for name, many in runs.items()},
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


def _run(program: Program, folder: Path, database: Path, photos: int) -> Run:
    database.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryFile("w+") as stdout:
        started, ready = time.monotonic(), None
        process = program.start("index", str(folder), "--db", str(database), "--json", output=stdout.fileno())
        while process.poll() is None:
            if ready is None and _count(database)[0] == photos:
                ready = time.monotonic() - started
            if time.monotonic() - started > GIVE_UP_S:
                end(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_EVERY_S)
        seconds = time.monotonic() - started
        stdout.seek(0)
        text = stdout.read()
    found, items = _count(database)
    ready = seconds if ready is None and found == photos else ready
    is_raw, left = RAW.search(text) is not None, left_running(process.pid)
    return Run(
        code=process.returncode,
        seconds=seconds,
        photos_after_s=ready,
        photos=found,
        items=items,
        said=_said(text),
        is_raw=is_raw,
        left_running=left,
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


def _ready(runs: list[Run]) -> float:
    return statistics.median(one.seconds if one.photos_after_s is None else one.photos_after_s for one in runs)


def _summary(runs: list[Run], alone: float) -> dict[str, Any]:
    return {
        "exit_codes": [one.code for one in runs],
        "seconds": round(statistics.median(one.seconds for one in runs), 1),
        "photos_after_s": round(_ready(runs), 2),
        "photos_slower_by_percent": round(100 * (_ready(runs) / alone - 1), 1),
        "items": runs[-1].items,
        "said": runs[-1].said,
    }
