"""To which size pictures and frames are resized, and how many tokens that makes. Numbers only, no pixels.

Everything is resized twice: once when it is read, once more by the image processor, whose limits also hold for frames.

Source: friedrichor/UNITE unite/model/qwen_vl_utils/vision_process.py `smart_resize`, and the limits around it. We
differ for shapes that it rejects or takes to a height of zero: sides are kept above one cell, and pictures longer than
200 to 1 are squeezed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

PATCH = 14
CELL = 28
MAX_ASPECT = 200
READ_MIN_PIXELS, READ_MAX_PIXELS = 4 * CELL**2, 16384 * CELL**2
FRAME_MIN_PIXELS = 128 * CELL**2

Size = tuple[int, int]
Grid = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelLimits:
    """How many pixels one picture may have when the model sees it.

    Attributes:
        max_pixels: of a picture; also of a frame at its second resize.
        min_pixels: smaller ones are enlarged to this, or to half of a lower `max_pixels`.
        frame_pixels: of a frame at its first resize.
    """

    max_pixels: int = 1280 * CELL**2
    min_pixels: int = 256 * CELL**2
    frame_pixels: int = 240 * 320

    def __post_init__(self) -> None:
        if self.max_pixels < READ_MIN_PIXELS:
            raise ValueError(f"max_pixels is {self.max_pixels}; expected at least {READ_MIN_PIXELS}")

    def image_steps(self, size: Size) -> tuple[Size, Size]:
        """Both sizes, (height, width), that a picture takes."""
        first = smart_resize(size, READ_MIN_PIXELS, READ_MAX_PIXELS)
        return first, self.processed_size(first)

    def frame_steps(self, size: Size) -> tuple[Size, Size]:
        """Both sizes, (height, width), that a frame takes."""
        first = smart_resize(size, min(FRAME_MIN_PIXELS, self.max_pixels), self.frame_pixels)
        return first, self.processed_size(first)

    def processed_size(self, size: Size) -> Size:
        """The size of the second resize, (height, width)."""
        return smart_resize(size, min(self.min_pixels, self.max_pixels // 2), self.max_pixels)


def smart_resize(size: Size, min_pixels: int, max_pixels: int) -> Size:
    """The size, in whole cells, that keeps the aspect ratio as well as the limits allow.

    Args:
        size: (height, width).
        min_pixels: area below which the picture is enlarged.
        max_pixels: area above which it is reduced; wins where both cannot be met.
    """
    height, width = (max(side, math.ceil(max(size) / MAX_ASPECT)) for side in size)
    rounded = (max(CELL, round(height / CELL) * CELL), max(CELL, round(width / CELL) * CELL))
    if rounded[0] * rounded[1] > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        return _cells(height / shrink, math.floor), _cells(width / shrink, math.floor)
    if rounded[0] * rounded[1] < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        return _cells(height * grow, math.ceil), _cells(width * grow, math.ceil)
    return rounded


def _cells(side: float, rounding: Callable[[float], int]) -> int:
    return max(CELL, rounding(side / CELL) * CELL)


def grid_of(frames: int, size: Size) -> Grid:
    """Patches in time, height and width; two frames make one, a picture counts as two equal frames."""
    return math.ceil(frames / 2), size[0] // PATCH, size[1] // PATCH


def tokens_of(grid: Grid) -> int:
    """Tokens that the language model sees: four patches make one."""
    return grid[0] * grid[1] * grid[2] // 4
