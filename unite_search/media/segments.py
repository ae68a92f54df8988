"""Cut a video into windows of time: one window, equal windows that overlap, or its shots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Window = tuple[float, float]

OVERLAP = 1 / 6
MIN_SHOT_S = 1.0
MAX_SHOT_S = 60.0
DETECTION_STEP_S = 10.0
MISSING = 'segments by shot need scenedetect: pip install "unite-search[shots]"'


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
