"""What media workers are asked to do: pictures to show, and the parts of a query."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import PIL.Image

from unite_search.content import Clip, Image, MediaSpec
from unite_search.errors import UnreadableFileError
from unite_search.media.digest import content_hash
from unite_search.media.images import is_animated, read_picture
from unite_search.media.preview import contact_strip
from unite_search.media.video import Video

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG_QUALITY = 82
PREVIEW_SIDE = 320
PREVIEW_FRAMES = 8


class Source(NamedTuple):
    """A file, or some seconds of it."""

    path: Path
    start_s: float | None = None
    end_s: float | None = None


class Bounds(NamedTuple):
    """What a file may hold at most; see `Limits`."""

    image_pixels: int
    video_pixels: int
    video_s: float


class Loaded(NamedTuple):
    """A part of a query.

    Attributes:
        part: as the encoder wants it.
        content_hash: of the file.
        preview: JPEG, see `strip`.
        frames: how many stand side by side in the preview.
    """

    part: Image | Clip
    content_hash: str
    preview: bytes
    frames: int


def thumbnail(source: Source, side: int) -> bytes:
    """A JPEG of an image, or of the middle of a clip, at most `side` pixels long."""
    return _jpeg(contact_strip(source.path, side=side, frames=1, start_s=source.start_s, end_s=source.end_s))


def strip(source: Source, side: int, frames: int) -> bytes:
    """A JPEG with frames of a clip side by side, each at most `side` pixels long; one of an image."""
    return _jpeg(contact_strip(source.path, side=side, frames=frames, start_s=source.start_s, end_s=source.end_s))


def load(source: Source, spec: MediaSpec, bounds: Bounds, is_video: bool) -> Loaded:
    """Decode a file as the encoder wants it.

    Raises:
        UnreadableFileError: it cannot be decoded, or holds more than it may.
    """
    digest = content_hash(source.path)
    if is_video or is_animated(source.path):
        part: Image | Clip = _clip(source, spec, bounds)
    else:
        part = read_picture(source.path, side=spec.image_side, max_pixels=bounds.image_pixels).image
    shown = _shown(part)
    return Loaded(part, digest, _jpeg(shown), len(shown))


def _clip(source: Source, spec: MediaSpec, bounds: Bounds) -> Clip:
    video = Video(source.path, max_pixels=bounds.video_pixels)
    if source.end_s is None and video.duration_s > bounds.video_s:
        raise UnreadableFileError(f"it is {video.duration_s:.0f} s long; at most {bounds.video_s:.0f} s are read")
    end_s = video.duration_s if source.end_s is None else source.end_s
    return video.clip(video.choose(spec.sampler, source.start_s or 0.0, end_s), side=spec.frame_side)


def _shown(part: Image | Clip) -> list[PIL.Image.Image]:
    """Small pictures of what the encoder sees."""
    if isinstance(part, Image):
        frames: list[NDArray[np.uint8]] = [part.pixels]
    else:
        spread = np.linspace(0, len(part.frames) - 1, min(PREVIEW_FRAMES, len(part.frames)))
        frames = [part.frames[index] for index in spread.astype(int)]
    pictures = [PIL.Image.fromarray(frame) for frame in frames]
    for picture in pictures:
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return pictures


def _jpeg(frames: list[PIL.Image.Image]) -> bytes:
    width, height = frames[0].size
    sheet = PIL.Image.new("RGB", (width * len(frames), height))
    for number, frame in enumerate(frames):
        sheet.paste(frame.convert("RGB"), (number * width, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
