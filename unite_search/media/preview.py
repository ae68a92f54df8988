"""Make small pictures of images and video segments, for tables and galleries."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

from unite_search.content import UniformFrames
from unite_search.media.images import is_animated, read_image
from unite_search.media.scan import MODALITY_OF
from unite_search.media.video import Video

MAX_PIXELS = 200_000_000


def image_thumbnail(
    path: Path, *, side: int, start_s: float | None = None, end_s: float | None = None
) -> PIL.Image.Image:
    """Return a picture of an image, or of the middle frame of a video segment; its longer side is at most `side`.

    Raises:
        UnreadableFileError: the file cannot be decoded.
    """
    return contact_strip(path, side=side, frames=1, start_s=start_s, end_s=end_s)[0]


def contact_strip(
    path: Path,
    *,
    side: int,
    frames: int,
    start_s: float | None = None,
    end_s: float | None = None,
    is_video: bool | None = None,
) -> list[PIL.Image.Image]:
    """Return at most `frames` evenly spread pictures of a video segment; one picture of an image.

    Args:
        path: the file.
        side: the longer side of a picture is at most this.
        frames: how many pictures of a video.
        start_s: start of the segment; None for that of the file.
        end_s: end of the segment; None for that of the file.
        is_video: whether it is a video; None to tell by its name.

    Raises:
        UnreadableFileError: the file cannot be decoded.
    """
    is_video = MODALITY_OF.get(path.suffix.lower()) == "video" if is_video is None else is_video
    if not is_video and not is_animated(path):
        picture = read_image(path, side=side, max_pixels=MAX_PIXELS)
        return [_small(PIL.Image.fromarray(picture.image.pixels), side)]
    video = Video(path, max_pixels=MAX_PIXELS)
    end_s = video.duration_s if end_s is None else end_s
    chosen = video.choose(UniformFrames(frames), start_s or 0.0, end_s)
    return [_small(PIL.Image.fromarray(frame), side) for frame in video.clip(chosen, side=side).frames]


def _small(image: PIL.Image.Image, side: int) -> PIL.Image.Image:
    image.thumbnail((side, side))
    return image
