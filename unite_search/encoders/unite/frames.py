"""The frame sampler of UNITE. It runs in decode workers, so this module does not import torch.

Source: friedrichor/UNITE unite/model/qwen_vl_utils/vision_process.py `smart_nframes`, `_read_video_decord`. We differ
for clips that it rejects: a count that exceeds the number of frames is reduced to the largest even number of frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMES_PER_PATCH = 2
TIME_DIGITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class UniteFrames:
    """Samples evenly spaced frames, first and last included, in a number that grows with the length of the clip.

    Attributes:
        fps: frames per second.
        min_frames: fewest frames, rounded up to an even number.
        max_frames: most frames, rounded down to an even number.
    """

    fps: float = 1.0
    min_frames: int = 4
    max_frames: int = 12

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ValueError(f"fps is {self.fps}; expected more than 0")
        if self.max_frames < FRAMES_PER_PATCH:
            raise ValueError(f"max_frames is {self.max_frames}; expected at least {FRAMES_PER_PATCH}")

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        """See `FrameSampler`."""
        first, last = np.searchsorted(times_s, [start_s, end_s], side="left")
        if first == last:
            return np.empty(0, np.int64)
        indices: NDArray[np.int64] = first + spread(int(last - first), self.count(times_s[first:last]))
        return indices

    def count(self, times_s: NDArray[np.float64]) -> int:
        """Return how many of the frames at these times to take."""
        total = len(times_s)
        if total < FRAMES_PER_PATCH:
            return total
        duration_s = float(times_s[-1] - times_s[0]) * total / (total - 1)
        least = math.ceil(self.min_frames / FRAMES_PER_PATCH) * FRAMES_PER_PATCH
        most = self.max_frames // FRAMES_PER_PATCH * FRAMES_PER_PATCH
        wanted = min(max(round(duration_s * self.fps, TIME_DIGITS), least), most)
        even = round(wanted / FRAMES_PER_PATCH) * FRAMES_PER_PATCH
        return min(even, total // FRAMES_PER_PATCH * FRAMES_PER_PATCH)


def spread(total: int, count: int) -> NDArray[np.int64]:
    """Return `count` evenly spaced indices below `total`, both ends included.

    Rounds as `torch.linspace(0, total - 1, count).round()` does: single precision, counted from the nearer end.
    """
    if count == 1:
        return np.zeros(1, np.int64)
    step = np.float32(total - 1) / np.float32(count - 1)
    position = np.arange(count, dtype=np.float32)
    from_start = step * position
    from_end = np.float32(total - 1) - step * (count - 1 - position)
    rounded: NDArray[np.int64] = np.round(np.where(position < count // 2, from_start, from_end)).astype(np.int64)
    return rounded
