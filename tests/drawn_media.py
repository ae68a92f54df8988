"""Small media files drawn for tests, and samplers that decode workers can import."""

from __future__ import annotations

import gc
import os
import signal
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unite_search.media.types import MediaFile
from unite_search.modality import ModalityName

RED, GREEN, BLUE, GREY = (230, 20, 20), (20, 200, 20), (20, 20, 230), (120, 120, 120)
MILLISECOND = Fraction(1, 1000)
TURNS = {
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """Red and green above, blue and grey below."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for colour, corner in ((RED, (0, 0)), (GREEN, (half[0], 0)), (BLUE, (0, half[1])), (GREY, half)):
        image.paste(colour, (*corner, corner[0] + half[0], corner[1] + half[1]))
    return image


def corner_colours(pixels: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Colours in the middles of the four quarters, in reading order."""
    height, width = pixels.shape[:2]
    points = [(height // 4, width // 4), (height // 4, -width // 4), (-height // 4, width // 4)]
    chosen = (pixels[point].tolist() for point in (*points, (-height // 4, -width // 4)))
    return [(red, green, blue) for red, green, blue in chosen]


def is_close(found: Sequence[tuple[int, ...]], drawn: Sequence[tuple[int, ...]], tolerance: int = 12) -> bool:
    return bool(np.abs(np.subtract(found, drawn)).max() <= tolerance)


def numbered_frames(count: int, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    """Grey frames that all differ: frame `n` of `count` has the brightness `frame_number` reads."""
    return [np.full((height, width, 3), round(255 * n / max(count - 1, 1)), np.uint8) for n in range(count)]


def frame_numbers(frames: NDArray[np.uint8], count: int) -> list[int]:
    """Which of `numbered_frames(count)` each frame is."""
    return [round(float(frame.mean()) / 255 * max(count - 1, 1)) for frame in frames]


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    gop: int = 10,
) -> Path:
    """Encode a clip, at 10 frames a second unless the times are given."""
    times_ms = times_ms or range(0, 100 * len(frames), 100)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.gop_size = gop
        is_timed = codec.startswith("lib") and path.suffix != ".avi"
        if is_timed:
            stream.time_base = stream.codec_context.time_base = MILLISECOND
        for number, (frame, time_ms) in enumerate(zip(frames, times_ms, strict=True)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = (time_ms, MILLISECOND) if is_timed else (number, Fraction(1, 10))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path) -> Path:
    """Half a second of silence without any picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(clip: Path, degrees: int) -> Path:
    """Patch the display matrix of an mp4 so that players show it turned clockwise."""
    content = clip.read_bytes()
    start = content.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in TURNS[degrees])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(content[:start] + matrix + content[start + 36 :])
    return clip


def write_huge_png(path: Path, side: int = 60_000) -> Path:
    """A valid header of a huge picture, with a little of its data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(100 * (3 * side + 1))))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))
    return path


def found(path: Path, kind: ModalityName, *sidecars: Path) -> MediaFile:
    """The file as a scan would report it."""
    status = path.stat()
    return MediaFile(
        path=path, modality=kind, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, sidecars=tuple(sidecars)
    )


class HangingSampler:
    """Chooses the first frame, but never returns for a clip of `count` frames."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        while len(times_s) == self.count:
            time.sleep(3600)
        return np.zeros(1, np.int64)


class KillingSampler:
    """Chooses the first frame, but kills its own process for a clip of `count` frames."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        if len(times_s) == self.count:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(1, np.int64)


class GreedySampler:
    """Asks for more memory than a worker may have."""

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        return np.zeros(1 << 30, np.int64)[:1]


class UnloadableSampler(HangingSampler):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[int], NoReturn], tuple[int]]:
        return os._exit, (3,)


class Unimportable:
    """Cannot be loaded in another process, like a class of the main script."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return import_module, ("no_such_module",)


class ForgingSampler:
    """Chooses the first frame; for a clip of `count` frames it writes bytes to the parent, as a decoder could."""

    def __init__(self, count: int, forged: bytes) -> None:
        self.count = count
        self.forged = forged

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        if len(times_s) == self.count:
            (pipe,) = (found for found in gc.get_objects() if isinstance(found, Connection) and found.writable)
            os.write(pipe.fileno(), self.forged)
        return np.zeros(1, np.int64)


class SlowSampler:
    """Chooses the first frame, but takes `pause_s` for each window of a clip of `count` frames."""

    def __init__(self, count: int, pause_s: float) -> None:
        self.count = count
        self.pause_s = pause_s

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        if len(times_s) == self.count:
            time.sleep(self.pause_s)
        return np.zeros(1, np.int64)


class RaisingSampler:
    """Raises what no decoder should."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        raise self.error
