"""What an encoder embeds, in memory: text, decoded images and decoded clips, in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One decoded picture: `pixels` is (H, W, 3) uint8 RGB, upright."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Sampled frames of a video: `frames` is (F, H, W, 3) uint8 RGB; `times_s` is (F,) seconds in the file."""

    frames: NDArray[np.uint8]
    times_s: NDArray[np.float64]


Part = str | Image | Clip


def part_modality(part: Part) -> Modality:
    """The single modality bit of one part."""
    if isinstance(part, str):
        return Modality.TEXT
    return Modality.IMAGE if isinstance(part, Image) else Modality.VIDEO


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """One thing to embed: its parts in order, and for a query the instruction that goes before them."""

    parts: tuple[Part, ...]
    instruction: str | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a content needs at least one part")

    @property
    def modality(self) -> Modality:
        """The bit set of everything in it."""
        return reduce(Modality.__or__, map(part_modality, self.parts))

    @property
    def text(self) -> str:
        """Its text parts, joined by spaces."""
        return " ".join(part for part in self.parts if isinstance(part, str))
