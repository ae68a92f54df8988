"""Functions that the server runs in decode processes: make previews, and decode the media of a query."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import PIL.Image

from unite_search.content import Clip, Image, MediaSpec
from unite_search.media.images import is_animated, read_image
from unite_search.media.preview import contact_strip
from unite_search.media.types import content_hash
from unite_search.media.video import ClipLimits, read_clip
from unite_search.server.served_files import ServedFile, readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG_QUALITY = 82
PREVIEW_SIDE = 320
PREVIEW_FRAMES = 8


class MediaSource(NamedTuple):
    """The file of an item, or some seconds of it if it is a video."""

    file: ServedFile
    is_video: bool
    start_s: float | None = None
    end_s: float | None = None


class Bounds(NamedTuple):
    """The largest media that `load` accepts; see `Limits`."""

    image_pixels: int
    video_pixels: int
    video_s: float


class Loaded(NamedTuple):
    """A decoded image or clip of a query.

    Attributes:
        part: the image or clip as the encoder needs it.
        content_hash: hash of the file.
        preview: JPEG, frames side by side.
        frames: number of frames side by side in the preview.
    """

    part: Image | Clip
    content_hash: str
    preview: bytes
    frames: int


def strip(source: MediaSource, side: int, frames: int) -> bytes:
    """Return a JPEG with frames of a clip side by side, the longer side of each at most `side`; one of an image.

    Raises:
        UnreadableFileError: the file cannot be decoded, or is no longer that of the item.
    """
    with readable(source.file) as path:
        shown = contact_strip(
            path, side=side, frames=frames, start_s=source.start_s, end_s=source.end_s, is_video=source.is_video
        )
        return _jpeg(shown)


def load_item(source: MediaSource, spec: MediaSpec, bounds: Bounds) -> Image | Clip:
    """Decode the file of an item as the encoder needs it.

    Raises:
        UnreadableFileError: the file cannot be decoded, exceeds the bounds, or is no longer that of the item.
    """
    with readable(source.file) as path:
        return _part(path, spec, bounds, is_video=source.is_video, start_s=source.start_s, end_s=source.end_s)


def load(path: Path, spec: MediaSpec, bounds: Bounds, is_video: bool) -> Loaded:
    """Decode a file that a client sent as the encoder needs it.

    Raises:
        UnreadableFileError: the file cannot be decoded, or exceeds the bounds.
    """
    digest = content_hash(path)
    part = _part(path, spec, bounds, is_video=is_video)
    shown = _shown(part)
    return Loaded(part, digest, _jpeg(shown), len(shown))


def _part(
    path: Path,
    spec: MediaSpec,
    bounds: Bounds,
    *,
    is_video: bool,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Image | Clip:
    if is_video or is_animated(path):
        limits = ClipLimits(pixels=bounds.video_pixels, duration_s=bounds.video_s)
        return read_clip(path, spec, limits, start_s=start_s, end_s=end_s)
    return read_image(path, side=spec.image_side, max_pixels=bounds.image_pixels).image


def _shown(part: Image | Clip) -> list[PIL.Image.Image]:
    """Return small pictures of the image or frames that the encoder sees."""
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
