"""decord without its traps: file names that it cannot encode, rows with padding, files without time stamps.

decord is imported on the first video, in the process that decodes, because it loads every CUDA library that it finds.
Text files (playlists, scripts) are refused before libav can follow the addresses in them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

STDERR = 2
HEAD_BYTES = 512
SCRIPT_BYTES = 8
"""libav takes a file for a playlist or a script by how it begins, whatever follows."""
TEXT_BYTES = frozenset(b"\t\n\r" + bytes(range(32, 127)))
PRINTABLE_STARTS = (b"RIFF", b"GIF8")
"""The beginnings of AVI and GIF files, after which come sizes that may look like text."""
MAX_DURATION_S = 100 * 3600.0
DAMAGED = "damaged or truncated video"

_stderr_lock = threading.Lock()


class Decoder:
    """Frames of one video file by index, upright, with their times.

    Attributes:
        spans_s: (N, 2) the times at which each frame appears and ends, starts ascending.
        key_indices: (K,) indices of the key frames, ascending.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        """Open a file and read its index.

        Raises:
            UnreadableFileError: the file is not a video, or is damaged.
        """
        _refuse_text(path)
        self._path = path
        self._max_pixels = max_pixels
        self._reader = _open_reader(path)
        self._position = 0
        spans_s = np.asarray(self._reader.get_frame_timestamp(np.arange(len(self._reader))), np.float64).reshape(-1, 2)
        self._is_seekable = bool(np.isfinite(spans_s).all() and (np.abs(spans_s) < MAX_DURATION_S).all())
        if self._is_seekable:
            starts_s = np.maximum.accumulate(spans_s[:, 0])
            self.spans_s = np.stack([starts_s, np.maximum(starts_s, spans_s[:, 1])], axis=1)
        else:
            self.spans_s = (np.arange(len(spans_s))[:, None] + [0, 1]) / max(self._reader.get_avg_fps(), 1.0)
        self.key_indices: NDArray[np.int64] = np.unique(np.asarray(self._reader.get_key_indices(), np.int64))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Decode one frame, (H, W, 3) RGB; ascending indices are fastest.

        Raises:
            UnreadableFileError: the frame cannot be decoded, or is too large.
        """
        try:
            raw = self._read(index)
        except _reader_errors():
            raw = self._read_with_new_reader(index)
        height, width = raw.shape[:2]
        if width * height > self._max_pixels:
            raise UnreadableFileError(f"too many pixels ({width} x {height})")
        return _without_padding(raw)

    def _read(self, index: int) -> NDArray[np.uint8]:
        raw: NDArray[np.uint8] = (self._reader[index] if self._is_seekable else self._walk_to(index)).asnumpy()
        return raw

    def _read_with_new_reader(self, index: int) -> NDArray[np.uint8]:
        """Read a frame once more: on a busy machine, decord now and then fails with EAGAIN on a sound file.

        Raises:
            UnreadableFileError: it fails again, so the file is damaged.
        """
        self._reader, self._position = _open_reader(self._path), 0
        try:
            return self._read(index)
        except _reader_errors() as error:
            raise UnreadableFileError(DAMAGED) from error

    def _walk_to(self, index: int) -> Any:
        """Decode frame after frame up to an index: without time stamps (AVI), decord seeks to the wrong frame."""
        if index < self._position:
            self._reader.seek(0)
            self._position = 0
        while self._position < index:
            self._reader.next()
            self._position += 1
        self._position += 1
        return self._reader.next()


def _open_reader(path: Path) -> Any:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    name, descriptor = _openable(path)
    try:
        with _silent_stderr():
            return decord.VideoReader(name, ctx=decord.cpu(0), num_threads=1)
    except _reader_errors() as error:
        has_no_video = "cannot find video stream" in str(error)
        raise UnreadableFileError("no video stream" if has_no_video else DAMAGED) from error
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep decord's own log line off the terminal; what other threads write to stderr meanwhile is lost.

    In a decode process it goes nowhere anyway, and not every kernel lets one open the null device for writing there.
    """
    if os.fstat(STDERR).st_rdev == Path(os.devnull).stat().st_rdev:
        yield
        return
    with _stderr_lock, Path(os.devnull).open("w") as null:
        before = os.dup(STDERR)
        os.dup2(null.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(before, STDERR)
            os.close(before)


def _openable(path: Path) -> tuple[str, int | None]:
    """Return a name that decord can encode, and the descriptor to close if the file's own name is not UTF-8."""
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        if sys.platform == "win32":
            raise UnreadableFileError("a name that the video decoder cannot take") from None
        descriptor = os.open(path, os.O_RDONLY)
        return f"/dev/fd/{descriptor}", descriptor
    return name, None


def _reader_errors() -> tuple[type[Exception], ...]:
    from decord import DECORDError

    return (DECORDError, RuntimeError, AssertionError, IndexError, StopIteration)


def _refuse_text(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise UnreadableFileError(reason_of(error)) from error
    if not head:
        raise UnreadableFileError("empty file")
    begins_as_text = set(head[:SCRIPT_BYTES]) <= TEXT_BYTES and not head.startswith(PRINTABLE_STARTS)
    if min(head) >= ord("\t") or begins_as_text:
        raise UnreadableFileError("text, not a video")


def _without_padding(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the (H, W, 3) pixels of a frame: for some widths (48, 96) decord 3.4 reports row padding as channels."""
    height, width = raw.shape[:2]
    return raw.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)
