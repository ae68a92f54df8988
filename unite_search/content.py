"""What an encoder embeds, in memory: text, decoded images and decoded clips; and how it wants them decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Protocol

from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded image: `pixels` is (H, W, 3) uint8 RGB, upright."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Sampled frames of a video: `frames` is (F, H, W, 3) uint8 RGB; `times_s` is (F,) seconds in the file."""

    frames: NDArray[np.uint8]
    times_s: NDArray[np.float64]


Part = str | Image | Clip


def part_modality(part: Part) -> Modality:
    """The modality of one part."""
    if isinstance(part, str):
        return Modality.TEXT
    return Modality.IMAGE if isinstance(part, Image) else Modality.VIDEO


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What is embedded as one vector: parts in order and, for a query, the instruction that precedes them."""

    parts: tuple[Part, ...]
    instruction: str | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a content needs at least one part")

    @property
    def modalities(self) -> Modality:
        """The modalities of all parts together."""
        return reduce(Modality.__or__, map(part_modality, self.parts))

    @property
    def text(self) -> str:
        """The text parts, joined by spaces."""
        return " ".join(part for part in self.parts if isinstance(part, str))


class FrameSampler(Protocol):
    """Chooses the frames of one window of a video. It must be picklable, because it runs in decode workers."""

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        """Return the sorted indices of the wanted frames.

        Args:
            times_s: (N,) presentation time of every frame of the file, ascending.
            start_s: first second of the window.
            end_s: end of the window, exclusive.
        """
        ...


@dataclass(frozen=True, slots=True)
class UniformFrames:
    """Samples `count` frames, at the middles of equal parts of the window; fewer if the window has fewer."""

    count: int = 8

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        """See `FrameSampler`."""
        import numpy as np

        middles = start_s + (np.arange(self.count) + 0.5) / self.count * (end_s - start_s)
        shown = np.searchsorted(times_s, middles, side="right") - 1
        return np.unique(np.clip(shown, 0, len(times_s) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpec:
    """How an encoder wants media decoded, so that no pixels are passed on that it would discard.

    Attributes:
        image_side: shorter side that images may be reduced to, never enlarged; None keeps every pixel.
        frame_side: the same for video frames.
        sampler: chooses the frames of a window.
    """

    image_side: int | None = None
    frame_side: int | None = None
    sampler: FrameSampler = field(default_factory=UniformFrames)
