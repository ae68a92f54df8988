"""Decode one media file to facts and drafts of items, lazily, with one segment in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

from unite_search.content import Clip, Content, Image
from unite_search.media.images import is_animated, read_image
from unite_search.media.segments import segment
from unite_search.media.sidecars import read_sidecars
from unite_search.media.text import read_passages
from unite_search.media.types import Draft, Facts, MediaFile, ReadOptions
from unite_search.media.video import Video


def read_file(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft]:
    """Decode a file: yield its facts first, then a draft for each item.

    Raises:
        UnreadableFileError: the file cannot be read; the message is the reason alone.
    """
    if file.modality == "text":
        return _read_text(file)
    if file.modality == "video" or (file.path.suffix.lower() == ".gif" and is_animated(file.path)):
        return _read_video(file, options)
    return _read_image(file, options)


def _read_text(file: MediaFile) -> Iterator[Facts | Draft]:
    passages = read_passages(file.path)
    yield Facts()
    for passage in passages:
        yield Draft(content=Content((passage.text,)), start_s=passage.start_s, end_s=passage.end_s, text=passage.text)


def _read_image(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft]:
    picture = read_image(file.path, side=options.media.image_side, max_pixels=options.max_pixels)
    said = read_sidecars(file.sidecars)
    yield Facts(width=picture.width, height=picture.height, taken_at=picture.taken_at, metadata=said.metadata)
    yield Draft(content=_captioned(said.caption, picture.image), text=said.caption)


def _read_video(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft]:
    video = Video(file.path, max_pixels=options.max_pixels)
    said = read_sidecars(file.sidecars)
    yield Facts(width=video.width, height=video.height, duration_s=video.duration_s, metadata=said.metadata)
    for start_s, end_s in segment(file.path, video.duration_s, options.segments):
        indices = video.choose(options.media.sampler, start_s, end_s, keyframes_only=options.keyframes_only)
        if len(indices):
            clip = video.clip(indices, side=options.media.frame_side)
            text = said.text_between(start_s, end_s)
            yield Draft(content=_captioned(text, clip), start_s=start_s, end_s=end_s, text=text)


def _captioned(caption: str | None, shown: Image | Clip) -> Content:
    return Content((caption, shown) if caption else (shown,))
