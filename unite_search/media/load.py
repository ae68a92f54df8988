"""Read the files of a query: images here, clips in a process of their own, since damaged ones may crash the decoder."""

from __future__ import annotations

from pathlib import Path

from unite_search.content import Clip, Image, MediaSpec
from unite_search.errors import UnreadableFileError
from unite_search.media.call_pool import CallPool
from unite_search.media.images import is_animated, read_image
from unite_search.media.scan import MODALITY_OF
from unite_search.media.types import ReadOptions, content_hash
from unite_search.media.uri import absolute
from unite_search.media.video import ClipLimits, read_clip

STEPS = 2
"""Opening a clip and decoding its frames may each take as long as a decode worker may be silent."""


def load_image(path: Path, spec: MediaSpec) -> tuple[Image, str]:
    """Decode an image as an encoder needs it.

    Returns:
        The image, and the hash of the file as the index knows it.

    Raises:
        UnreadableFileError: the file cannot be read; the message names it.
    """
    try:
        digest = _hash(path)
        picture = read_image(path, side=spec.image_side, max_pixels=ReadOptions(media=spec).max_pixels)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"cannot read {path}: {error}") from error
    return picture.image, digest


def load_clip(path: Path, spec: MediaSpec) -> tuple[Clip, str]:
    """Decode a video or an animated gif as an encoder needs it: one clip from its beginning to its end.

    Returns:
        The clip, and the hash of the file as the index knows it.

    Raises:
        UnreadableFileError: the file cannot be read; the message names it.
        DecodeProcessError: no process to decode it in can be started.
    """
    options = ReadOptions(media=spec)
    try:
        digest = _hash(path)
        if MODALITY_OF.get(path.suffix.lower()) == "image" and not is_animated(path):
            raise UnreadableFileError("a still image, not a video")
        with CallPool(1, timeout_s=STEPS * options.time_limit_s(path.stat().st_size)) as pool:
            return pool.call(read_clip, absolute(path), spec, ClipLimits(pixels=options.max_pixels)), digest
    except UnreadableFileError as error:
        raise UnreadableFileError(f"cannot read {path}: {error}") from error


def _hash(path: Path) -> str:
    if not path.exists():
        raise UnreadableFileError("no such file")
    return content_hash(path)
