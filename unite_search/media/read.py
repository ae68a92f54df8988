"""Decode one media file to facts and drafts of items, lazily, with one segment in memory at a time.

A video is cut into windows of time: one window, equal windows that overlap, or its shots.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import tee
from pathlib import Path
from typing import Literal

from indexers.extras import how_to_install
from unite_search.content import Clip, Content, Image
from unite_search.display import clock, file_size
from unite_search.media.images import is_animated, read_image
from unite_search.media.perceptual_hash import perceptual_hash
from unite_search.media.sidecars import read_sidecars
from unite_search.media.text import passages_of, read_beginning
from unite_search.media.types import Cut, Draft, Facts, MediaFile, ReadOptions
from unite_search.media.video import Video

Window = tuple[float, float]

OVERLAP = 1 / 6
MIN_SHOT_S = 1.0
MAX_SHOT_S = 60.0
DETECTION_STEP_S = 10.0
MISSING = f"segments by shot need scenedetect; {how_to_install('shots')}"


def read_file(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft | Cut]:
    """Decode a file: yield its facts first, then a draft for each item, then a `Cut` if it holds more than it may.

    Raises:
        UnreadableFileError: the file cannot be read; the message is the reason alone.
    """
    drafts = 0
    end_s = duration_s = None
    for event in _read(file, options):
        if isinstance(event, Facts):
            duration_s = event.duration_s
        elif isinstance(event, Draft):
            if drafts == options.max_items:
                rest = left_out(drafts, end_s, duration_s)
                yield Cut(path=file.path, reason=f"more than {drafts:,} items; {rest}")
                return
            drafts, end_s = drafts + 1, event.end_s
        yield event


def left_out(drafts: int, end_s: float | None, duration_s: float | None) -> str:
    """Say what was left out of a file that was cut after some drafts, the last of which ends at `end_s`."""
    if end_s is None:
        return f"left out is what follows the first {drafts:,}"
    return f"left out is what follows {clock(end_s)}{f' of {clock(duration_s)}' if duration_s else ''}"


def _read(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft | Cut]:
    if file.modality == "text":
        return _read_text(file, options)
    if file.modality == "video" or (file.path.suffix.lower() == ".gif" and is_animated(file.path)):
        return _read_video(file, options)
    return _read_image(file, options)


def _read_text(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft | Cut]:
    content, rest_bytes = read_beginning(file.path, options.max_text_bytes)
    yield Facts()
    for passage in passages_of(content, file.path.suffix.lower()):
        yield Draft(content=Content((passage.text,)), start_s=passage.start_s, end_s=passage.end_s, text=passage.text)
    if rest_bytes:
        reason = f"more than {file_size(options.max_text_bytes)} of text; left out are the last {file_size(rest_bytes)}"
        yield Cut(path=file.path, reason=reason)


def _read_image(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft]:
    picture = read_image(file.path, side=options.media.image_side, max_pixels=options.max_pixels)
    said = read_sidecars(file.sidecars)
    yield Facts(
        width=picture.width,
        height=picture.height,
        taken_at=picture.taken_at,
        metadata=said.metadata,
        problems=said.problems,
    )
    phash = perceptual_hash(picture.image.pixels)
    yield Draft(content=_captioned(said.caption, picture.image), text=said.caption, phash=phash)


def _read_video(file: MediaFile, options: ReadOptions) -> Iterator[Facts | Draft]:
    video = Video(file.path, max_pixels=options.max_pixels)
    said = read_sidecars(file.sidecars)
    yield Facts(
        width=video.width,
        height=video.height,
        duration_s=video.duration_s,
        metadata=said.metadata,
        problems=said.problems,
    )
    chosen = (
        (window, video.choose(options.media.sampler, *window, keyframes_only=options.keyframes_only))
        for window in segment(file.path, video.duration_s, options.segments)
    )
    windows, indices = tee((window, frames) for window, frames in chosen if len(frames))
    clips = video.clips((frames for _, frames in indices), side=options.media.frame_side)
    for ((start_s, end_s), _), clip in zip(windows, clips, strict=True):
        text = said.text_between(start_s, end_s)
        phash = perceptual_hash(clip.frames[len(clip.frames) // 2])
        yield Draft(content=_captioned(text, clip), start_s=start_s, end_s=end_s, text=text, phash=phash)


def _captioned(caption: str | None, shown: Image | Clip) -> Content:
    return Content((caption, shown) if caption else (shown,))


def segment(path: Path, duration_s: float, segments: float | Literal["none", "shots"]) -> Iterator[Window]:
    """Yield the windows of a video lazily; call `check` before.

    Args:
        path: the file; only `shots` reads it, and yields each shot as soon as it is found.
        duration_s: length of the video.
        segments: `none`, `shots`, or the greatest length of a window in seconds.
    """
    if segments == "none":
        yield (0.0, duration_s)
    elif segments == "shots":
        yield from shots(_cuts(path), duration_s)
    else:
        yield from windows(duration_s, segments)


def check(segments: float | Literal["none", "shots"]) -> None:
    """Refuse a value of `segments` that cannot work, before any file is read.

    Raises:
        ImportError: `shots` needs a package that is not installed.
        ValueError: the length is not positive.
    """
    if segments == "shots" and not (find_spec("scenedetect") and find_spec("cv2")):
        raise ImportError(MISSING)
    if isinstance(segments, (int, float)) and not segments > 0:
        raise ValueError(f"segments is {segments}; expected a length in seconds above 0, none or shots")


def windows(duration_s: float, length_s: float) -> list[Window]:
    """Cover a duration with the fewest equal windows of at most `length_s`, each of which overlaps the next by a sixth.

    A video of at most `length_s` is one window. A longer video gets no short last window: instead all of its windows
    are a little shorter.
    """
    count = 1 + max(0, math.ceil((duration_s / length_s - 1) / (1 - OVERLAP)))
    width_s = duration_s / (1 + (count - 1) * (1 - OVERLAP))
    starts = [number * width_s * (1 - OVERLAP) for number in range(count)]
    return [*((start_s, start_s + width_s) for start_s in starts[:-1]), (starts[-1], duration_s)]


def shots(cuts: Iterable[float], duration_s: float) -> Iterator[Window]:
    """Yield the windows between ascending cuts; a shot shorter than `MIN_SHOT_S` is joined to its neighbour."""
    start_s = 0.0
    for cut_s in cuts:
        if cut_s - start_s >= MIN_SHOT_S and duration_s - cut_s >= MIN_SHOT_S:
            yield start_s, cut_s
            start_s = cut_s
    yield start_s, duration_s


def _cuts(path: Path) -> Iterator[float]:
    """Yield the seconds at which a new shot begins, or at which a shot has lasted `MAX_SHOT_S`."""
    from scenedetect import ContentDetector, SceneManager, open_video

    video, manager = open_video(str(path)), SceneManager()
    manager.add_detector(ContentDetector())
    latest_s = 0.0
    while manager.detect_scenes(video, duration=DETECTION_STEP_S):
        found = [start.seconds for start, _ in manager.get_scene_list()]
        for cut_s in (*(cut_s for cut_s in found if cut_s > latest_s), video.position.seconds):
            while cut_s - latest_s > MAX_SHOT_S:
                latest_s += MAX_SHOT_S
                yield latest_s
            if cut_s in found:
                latest_s = cut_s
                yield latest_s
