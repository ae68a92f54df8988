"""The types of the media package: a file that was found, the facts in it, and the drafts of its items."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from unite_search.content import Content, MediaSpec
from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of
from unite_search.modality import ModalityName

SLOWEST_DISK_BYTES_PER_S = 20e6
LONGEST_FILM_S = 3 * 3600.0

DIGEST_BYTES = 16
BLOCK_BYTES = 1 << 20
EMPTY_FILE = "empty file"

EARLIEST_NS, LATEST_NS = -(1 << 63), (1 << 63) - 1
"""What 64 bits of nanoseconds hold: the years 1677 to 2262."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file that a scan found.

    Attributes:
        path: absolute path.
        modality: modality by extension; an animated gif is recognised when it is read.
        size_bytes: size at the time of the scan.
        mtime_ns: modification time at the time of the scan, see `mtime_ns_of`.
        sidecars: files with the same stem that describe it, sorted by name.
        sidecar_state: text that changes when a sidecar is added, removed, modified or replaced, even by one of equal
            size and modification time; empty without sidecars.
    """

    path: Path
    modality: ModalityName
    size_bytes: int
    mtime_ns: int
    sidecars: tuple[Path, ...] = ()
    sidecar_state: str = ""

    @property
    def may_move(self) -> bool:
        """Whether the file is a video, or may turn out to be one (an animated gif)."""
        return self.modality == "video" or self.path.suffix.lower() == ".gif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A path that could not be indexed, and the reason in a few words."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class VacantFolder:
    """A folder in which nothing is visible, or a link that leads nowhere: perhaps a disk that is not mounted.

    Attributes:
        path: the folder or link.
        state: how it is now, in words that follow its path.
    """

    path: Path
    state: str = "is empty"


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of what a file's items are made of.

    Attributes:
        content: hash of the file's bytes.
        sidecars: hash of what its sidecars hold, see `sidecars.hash_sidecars`; empty without sidecars.
    """

    content: str
    sidecars: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A file that was indexed in part, because it holds more than one file may; the reason says what was left out."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How files become items; the same options give the same items.

    Attributes:
        media: sizes and frames that the encoder needs.
        segments: `none` (a video is one item), `shots`, or the longest window in seconds.
        keyframes_only: whether to decode key frames only, which is faster and coarser.
        timeout_s: time without a message after which a worker is killed and its file skipped; see `time_limit_s`.
        max_pixels: most pixels of an image; larger images are refused.
        max_items: most items of one file; what follows is left out. A film of three hours has 216 windows of a minute,
            and 26,000 of half a second; a book of 5,000 pages has about 13,000 passages.
        max_text_bytes: most bytes of a text or subtitle file; what follows is left out. 5,000 pages have 15 MB, in
            scripts with three bytes a character 22 MB.
        max_handed_bytes: most bytes that a worker may hand back for one file. The frames of three hours have 8 GB at
            60 frames a minute and 448 pixels.
        work_s: time that a worker may work on one file, whatever it sends meanwhile; see `work_limit_s`.
    """

    media: MediaSpec
    segments: float | Literal["none", "shots"] = 60.0
    keyframes_only: bool = False
    timeout_s: float = 60.0
    max_pixels: int = 200_000_000
    max_items: int = 30_000
    max_text_bytes: int = 32 << 20
    max_handed_bytes: int = 64 << 30
    work_s: float = 600.0

    def time_limit_s(self, size_bytes: int) -> float:
        """Return how long a worker may send no message for a file; a large file takes time to read from a slow disk."""
        return self.timeout_s + size_bytes / SLOWEST_DISK_BYTES_PER_S

    def work_limit_s(self, size_bytes: int, duration_s: float | None) -> float:
        """Return how long a worker may work on a file: on a video as long as it plays, up to three hours, and more."""
        return self.work_s + self.time_limit_s(size_bytes) - self.timeout_s + min(duration_s or 0.0, LONGEST_FILM_S)

    def recipe(self, file: MediaFile) -> str:
        """Return what decides the items of a file besides its bytes and what its sidecars hold."""
        parts = [file.sidecar_state] if file.sidecar_state else []
        if file.may_move:
            parts += [f"segments={self.segments}", *(["keyframes"] if self.keyframes_only else [])]
        return ";".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that a file and its sidecars give; None for facts that they lack.

    Attributes:
        width: width in pixels, upright.
        height: height in pixels, upright.
        duration_s: duration of the whole file.
        taken_at: date from EXIF or the container, naive local time.
        metadata: the object of the JSON sidecar, `{}` without one.
        problems: why facts are missing which the file or its sidecars should give, one line each.
    """

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    taken_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One item of a file, decoded and not yet embedded.

    Attributes:
        content: the content to embed: the caption first, then the picture or clip.
        start_s: time in the file at which the item starts; None for items without time.
        end_s: time at which it ends.
        text: the passage or caption to show with a hit.
        phash: perceptual hash of the picture, or of the middle frame of the clip; None for a passage.
    """

    content: Content
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    phash: int | None = None


def mtime_ns_of(status: os.stat_result) -> int:
    """Return a modification time as the catalog holds it, in 64 bits: one beyond them becomes the nearest within."""
    return min(max(status.st_mtime_ns, EARLIEST_NS), LATEST_NS)


def content_hash(path: Path) -> str:
    """Hash a file (BLAKE2b, 32 hexadecimal digits), a block at a time.

    Raises:
        UnreadableFileError: the file is gone, empty, not a regular file, or may not be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFileError("not a regular file")
        with path.open("rb", buffering=0) as stream:
            size_bytes = 0
            while block := stream.read(BLOCK_BYTES):
                size_bytes += len(block)
                digest.update(block)
    except OSError as error:
        raise UnreadableFileError(reason_of(error)) from error
    if not size_bytes:
        raise UnreadableFileError(EMPTY_FILE)
    return digest.hexdigest()


def check_readable(file: MediaFile) -> None:
    """Open a file and read nothing of it: what can be known without the cost of hashing or decoding.

    Raises:
        UnreadableFileError: the file is gone, was empty when it was found, or may not be read.
    """
    if not file.size_bytes:
        raise UnreadableFileError(EMPTY_FILE)
    try:
        file.path.open("rb", buffering=0).close()
    except OSError as error:
        raise UnreadableFileError(reason_of(error)) from error
