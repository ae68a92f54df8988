"""Index a folder of good and bad files, bad in every way that we know, and count what `index` reports.

Tests use `make_folder` as well. Some files are made with PyAV (audio without pictures, a clip to damage), which is in
the `demo` extra.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from benchmarks.common.command import PROGRAM
from unite_search.media.uri import uri_to_path

HUGE_SIDE = 60_000
NOT_UTF8: str = os.fsdecode(b"caf\xe9.png")
NO_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@dataclass(frozen=True, slots=True)
class Expected:
    """The names of files that must be indexed, must be skipped, and may be either, if a decoder may miss the damage."""

    good: frozenset[str]
    bad: frozenset[str]
    either: frozenset[str]


def make_folder(folder: Path) -> Expected:
    """Fill an empty folder with good and bad files; returns what an index run should do with them."""
    good = _make_good(folder)
    bad = {*_make_bad_images(folder), *_make_bad_clips(folder), *_make_odd_things(folder)}
    clip = bytearray((folder / "good.mp4").read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(clip) // 10, len(clip) // 2, 400):
        clip[place] ^= 1 << int(rng.integers(8))
    (folder / "bits flipped.mp4").write_bytes(clip)
    return Expected(frozenset(good), frozenset(bad), frozenset(["bits flipped.mp4"]))


def run() -> dict[str, Any]:
    """Index such a folder by the command line, without the right of root to read all files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "media"
        folder.mkdir()
        expected = make_folder(folder)
        rights = NO_OVERRIDE if os.geteuid() == 0 and shutil.which(NO_OVERRIDE[0]) else ()
        index = [*rights, *PROGRAM, "index", str(folder), "--db", f"{temporary}/db", "--json"]
        loose = subprocess.run(index, capture_output=True, timeout=600, check=False)
        strict = subprocess.run([*index, "--strict"], capture_output=True, timeout=600, check=False)
        search = [*PROGRAM, "query", "anything", "--db", f"{temporary}/db", "--top-k", "100", "--paths", "--print0"]
        found = subprocess.run(search, capture_output=True, timeout=600, check=True).stdout.split(b"\0")
    report = json.loads(loose.stdout)
    skipped = {uri_to_path(entry["uri"]).name: entry["reason"] for entry in report["skipped"]}
    indexed = {Path(os.fsdecode(path)).name for path in found if path}
    return {
        "good_files": len(expected.good),
        "good_files_indexed": len(expected.good & indexed),
        "bad_files": len(expected.bad),
        "bad_files_named_with_a_reason": len(expected.bad & set(skipped)),
        "bad_files_indexed": sorted(expected.bad & indexed),
        "exit_code": loose.returncode,
        "exit_code_strict": strict.returncode,
        "tracebacks": loose.stderr.count(b"Traceback") + strict.stderr.count(b"Traceback"),
        "reasons": dict(sorted(skipped.items())),
    }


def _make_good(folder: Path) -> set[str]:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    picture.save(folder / "good.jpg")
    picture.rotate(90, expand=True).save(folder / "a png in truth.jpg", format="PNG")
    picture.convert("L").save(folder / "line\nbreak.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "good.webp")
    (folder / "x.jpg").mkdir()
    picture.convert("1").save(folder / "x.jpg" / "inside.png")
    (folder / "good.txt.md").write_text("A text that can be read.\n")
    _write_clip(folder / "good.mp4")
    names: set[str] = {path.name for path in folder.iterdir() if path.is_file()} | {"inside.png"}
    try:
        picture.convert("P").save(folder / NOT_UTF8)
    except OSError:
        return names
    return names | {NOT_UTF8}


def _make_bad_images(folder: Path) -> set[str]:
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    for name in ("truncated.jpg", "truncated.png"):
        noise.save(folder / name)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text in truth.jpg").write_text("This is no picture.\n")
    (folder / "zeros.gif").write_bytes(bytes(5000))
    _write_huge_png(folder / "huge.png")
    return {"truncated.jpg", "truncated.png", "empty.png", "text in truth.jpg", "zeros.gif", "huge.png"}


def _make_bad_clips(folder: Path) -> set[str]:
    (folder / "empty.mp4").touch()
    whole = (folder / "good.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "noise.mkv").write_bytes(np.random.default_rng(3).bytes(20_000))
    _write_audio(folder / "audio only.mp4")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 20)
    return {"empty.mp4", "truncated.mp4", "noise.mkv", "audio only.mp4", "binary.txt"}


def _make_odd_things(folder: Path) -> set[str]:
    names: set[str] = set()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        names.add("pipe.jpg")
    if os.name == "posix":
        shutil.copy(folder / "good.jpg", folder / "locked.jpg")
        (folder / "locked.jpg").chmod(0)
        names.add("locked.jpg")
    return names


def _write_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(40):
            pixels = np.random.default_rng(number).integers(0, 255, (120, 160, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def _write_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_huge_png(path: Path) -> None:
    """Write a small file with 3600 megapixels of one bit each."""
    packer = zlib.compressobj(1)
    row = bytes(1 + HUGE_SIDE // 8)
    data = b"".join(packer.compress(row * 1000) for _ in range(HUGE_SIDE // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", HUGE_SIDE, HUGE_SIDE, 1, 0, 0, 0, 0)
    chunks = b"".join(map(_png_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, data, b"")))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
