"""Video files to sampled frames: chosen by time, decoded one by one, reduced at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from unite_search.content import Clip
from unite_search.errors import UnreadableFileError
from unite_search.media.decoder import Decoder
from unite_search.media.images import reduced, reduced_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unite_search.content import FrameSampler


class Video:
    """An open video.

    Attributes:
        times_s: (N,) when each frame is shown first, ascending.
        duration_s: when the last frame has been shown.
        width: pixels, upright.
        height: pixels, upright.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        """Open a file, read its index, decode its first frame.

        Raises:
            UnreadableFileError: it is not a video, damaged, or its frames are too large.
        """
        self._decoder = Decoder(path, max_pixels=max_pixels)
        self.times_s: NDArray[np.float64] = self._decoder.spans_s[:, 0]
        self.duration_s = float(self._decoder.spans_s[-1, 1])
        self.height, self.width = self._decoder.frame(0).shape[:2]

    def choose(
        self, sampler: FrameSampler, start_s: float, end_s: float, *, keyframes_only: bool = False
    ) -> NDArray[np.int64]:
        """Indices of the frames of a window that the sampler wants, or of the key frames at or before them."""
        wanted = np.asarray(sampler(self.times_s, start_s, end_s), np.int64)
        wanted = np.unique(wanted[(wanted >= 0) & (wanted < len(self.times_s))])
        keys = self._decoder.key_indices
        if keyframes_only and len(keys):
            position = np.searchsorted(keys, wanted, side="right") - 1
            wanted = np.unique(keys[np.maximum(position, 0)])
        return wanted

    def clip(self, indices: NDArray[np.int64], *, side: int | None) -> Clip:
        """Decode frames, each reduced to the shorter side (see `reduced_size`) before the next is read.

        Raises:
            UnreadableFileError: a frame cannot be decoded, or is too large.
        """
        frames = [_reduced_frame(self._decoder.frame(int(index)), side) for index in indices]
        if len({frame.shape for frame in frames}) != 1:
            raise UnreadableFileError("frames of different sizes" if frames else "no frames")
        return Clip(frames=np.stack(frames), times_s=self.times_s[indices])


def _reduced_frame(frame: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    if side is None:
        return frame
    height, width = frame.shape[:2]
    return np.asarray(reduced(PIL.Image.fromarray(frame), reduced_size((width, height), side)))
