"""What the media package hands on: a file that was found, what is known of it, and the drafts of its items."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from unite_search.content import Content, MediaSpec
from unite_search.modality import ModalityName


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file that a scan found.

    Attributes:
        path: absolute path.
        modality: by extension; an animated gif is found out when it is read.
        size_bytes: size at the scan.
        mtime_ns: modification time at the scan.
        sidecars: files with the same stem that describe it, sorted by name.
        sidecar_state: changes when a sidecar is added, removed or modified; empty without sidecars.
    """

    path: Path
    modality: ModalityName
    size_bytes: int
    mtime_ns: int
    sidecars: tuple[Path, ...] = ()
    sidecar_state: str = ""

    @property
    def may_move(self) -> bool:
        """Whether it is, or could turn out to be, a video."""
        return self.modality == "video" or self.path.suffix.lower() == ".gif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A path that could not be indexed, and why in a few words."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How files become items; the same options give the same items.

    Attributes:
        media: what the encoder wants.
        segments: `none` (a video is one item), `shots`, or the window length in seconds.
        keyframes_only: decode key frames only; faster, coarser.
        timeout_s: a worker that is silent this long is killed and its file skipped.
        max_pixels: larger images are refused.
    """

    media: MediaSpec
    segments: float | Literal["none", "shots"] = 60.0
    keyframes_only: bool = False
    timeout_s: float = 60.0
    max_pixels: int = 200_000_000

    def recipe(self, file: MediaFile) -> str:
        """What besides its bytes decides which items a file gives; stored with each row."""
        parts = [file.sidecar_state] if file.sidecar_state else []
        if file.may_move:
            parts += [f"segments={self.segments}", *(["keyframes"] if self.keyframes_only else [])]
        return ";".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one file says about itself; None where it does not say.

    Attributes:
        width: pixels, upright.
        height: pixels, upright.
        duration_s: whole file.
        taken_at: EXIF or container date, naive local time.
        metadata: the JSON sidecar's object, `{}` without one.
    """

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    taken_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One item of a file, decoded and not yet embedded.

    Attributes:
        content: what to embed (caption first, then the picture or clip).
        start_s: first second in the file, None where time has no meaning.
        end_s: end second.
        text: the passage or caption to show with a hit.
    """

    content: Content
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
