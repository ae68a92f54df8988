"""Sample frames of video files: chosen by time, decoded one by one, each reduced before the next is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
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

    from unite_search.content import FrameSampler, MediaSpec


NO_FRAMES = np.empty(0, np.int64)


class Video:
    """An open video.

    Attributes:
        times_s: (N,) the time at which each frame appears, ascending.
        duration_s: the time at which the last frame ends.
        width: in pixels, upright.
        height: in pixels, upright.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        """Open a file, read its index, decode its first frame.

        Raises:
            UnreadableFileError: the file is not a video, is damaged, or has frames of more than `max_pixels`.
        """
        self._decoder = Decoder(path, max_pixels=max_pixels)
        self.times_s: NDArray[np.float64] = self._decoder.spans_s[:, 0]
        self.duration_s = float(self._decoder.spans_s[-1, 1])
        self.height, self.width = self._decoder.frame(0).shape[:2]

    def choose(
        self, sampler: FrameSampler, start_s: float, end_s: float, *, keyframes_only: bool = False
    ) -> NDArray[np.int64]:
        """Return the indices of the frames that the sampler chooses in a window, or of the key frames before them.

        Args:
            sampler: chooses frames by their times.
            start_s: start of the window.
            end_s: end of the window.
            keyframes_only: replace each frame by the key frame at or before it.

        Returns:
            (F,) int64, ascending, without duplicates.
        """
        wanted = np.asarray(sampler(self.times_s, start_s, end_s), np.int64)
        wanted = np.unique(wanted[(wanted >= 0) & (wanted < len(self.times_s))])
        keys = self._decoder.key_indices
        if keyframes_only and len(keys):
            position = np.searchsorted(keys, wanted, side="right") - 1
            wanted = np.unique(keys[np.maximum(position, 0)])
        return wanted

    def clip(self, indices: NDArray[np.int64], *, side: int | None) -> Clip:
        """Decode frames, each reduced to a shorter side of `side` pixels (see `reduced_size`); None keeps their size.

        Raises:
            UnreadableFileError: there are no frames, or one cannot be decoded or is too large.
        """
        return next(self.clips([indices], side=side))

    def clips(self, windows: Iterable[NDArray[np.int64]], *, side: int | None) -> Iterator[Clip]:
        """Decode the frames of windows that may overlap, each frame once and in order.

        A step back decodes from the last key frame again, which in some files is the first frame of all. So the frames
        of the next window that lie before the end of this one are decoded with it.

        Raises:
            UnreadableFileError: a window has no frames, or one cannot be decoded or is too large.
        """
        held: dict[int, NDArray[np.uint8]] = {}
        for indices, following in pairwise(chain(windows, [NO_FRAMES])):
            early = following[following <= indices.max(initial=-1)]
            for index in np.union1d(indices, early).tolist():
                if index not in held:
                    held[index] = _reduced_frame(self._decoder.frame(index), side)
            yield self._clip(indices, [held[index] for index in indices.tolist()])
            held = {index: held[index] for index in early.tolist()}

    def _clip(self, indices: NDArray[np.int64], frames: list[NDArray[np.uint8]]) -> Clip:
        if len({frame.shape for frame in frames}) != 1:
            raise UnreadableFileError("frames of different sizes" if frames else "no frames")
        return Clip(frames=np.stack(frames), times_s=self.times_s[indices])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """The largest video that `read_clip` accepts.

    Attributes:
        pixels: most pixels of a frame.
        duration_s: longest duration of a file that is read from its beginning to its end.
    """

    pixels: int
    duration_s: float = math.inf


def read_clip(
    path: Path, spec: MediaSpec, limits: ClipLimits, *, start_s: float | None = None, end_s: float | None = None
) -> Clip:
    """Decode some seconds of a video as an encoder needs them: without `start_s` and `end_s`, all of it.

    Raises:
        UnreadableFileError: the file cannot be decoded, or exceeds the limits.
    """
    video = Video(path, max_pixels=limits.pixels)
    if end_s is None and video.duration_s > limits.duration_s:
        raise UnreadableFileError(f"it is {video.duration_s:.0f} s long; at most {limits.duration_s:.0f} s are read")
    chosen = video.choose(spec.sampler, start_s or 0.0, video.duration_s if end_s is None else end_s)
    return video.clip(chosen, side=spec.frame_side)


def _reduced_frame(frame: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    if side is None:
        return frame
    height, width = frame.shape[:2]
    return np.asarray(reduced(PIL.Image.fromarray(frame), reduced_size((width, height), side)))
