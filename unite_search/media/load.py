"""Reading the files of a query: images here, clips in a worker, for a damaged one can crash the decoder or hang it."""

from __future__ import annotations

from pathlib import Path

from unite_search.content import Clip, Image, MediaSpec
from unite_search.errors import UnreadableFileError
from unite_search.media.decode_pool import ReadPool
from unite_search.media.digest import content_hash
from unite_search.media.images import is_animated, read_picture
from unite_search.media.scan import MODALITY_OF
from unite_search.media.types import Draft, MediaFile, ReadOptions, Skipped
from unite_search.media.uri import absolute


def load_image(path: Path, spec: MediaSpec) -> tuple[Image, str]:
    """Decode an image as an encoder wants it.

    Returns:
        The image, and the hash of the file as the index knows it.

    Raises:
        UnreadableFileError: it cannot be read; the message names the file.
    """
    try:
        _refuse_missing(path)
        digest = content_hash(path)
        picture = read_picture(path, side=spec.image_side, max_pixels=ReadOptions(media=spec).max_pixels)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"cannot read {path}: {error}") from error
    return picture.image, digest


def load_clip(path: Path, spec: MediaSpec) -> tuple[Clip, str]:
    """Decode a video, or an animated gif, as an encoder wants it: one clip from its beginning to its end.

    Returns:
        The clip, and the hash of the file as the index knows it.

    Raises:
        UnreadableFileError: it cannot be read; the message names the file.
    """
    try:
        _refuse_missing(path)
        if MODALITY_OF.get(path.suffix.lower()) == "image" and not is_animated(path):
            raise UnreadableFileError("a still image, not a video")
        return _read_in_worker(path, ReadOptions(media=spec, segments="none"))
    except UnreadableFileError as error:
        raise UnreadableFileError(f"cannot read {path}: {error}") from error


def _read_in_worker(path: Path, options: ReadOptions) -> tuple[Clip, str]:
    status = path.stat()
    file = MediaFile(path=absolute(path), modality="video", size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
    hashes: list[str] = []

    def remember(_: MediaFile, digest: str) -> bool:
        hashes.append(digest)
        return True

    with ReadPool(options, workers=1) as pool:
        for _, event in pool.run(iter([file]), remember):
            if isinstance(event, Skipped):
                raise UnreadableFileError(event.reason)
            if isinstance(event, Draft):
                (clip,) = event.content.parts
                if isinstance(clip, Clip):
                    return clip, hashes[0]
    raise UnreadableFileError("no frames")


def _refuse_missing(path: Path) -> None:
    if not path.exists():
        raise UnreadableFileError("no such file")
