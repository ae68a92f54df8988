"""Compute the sizes that pictures and frames are resized to, and how many tokens they have. No pixels are processed.

Pictures and frames are resized twice: once when read, and once by the image processor, whose limits hold for both.

Source: friedrichor/UNITE unite/model/qwen_vl_utils/vision_process.py `smart_resize`, and the limits around it. We
differ for shapes that it rejects or reduces to a height of zero: each side is at least one cell, and pictures with an
aspect ratio above 200 are squeezed.
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
    """Limits on the number of pixels of a picture or frame as the model is given it.

    Attributes:
        max_pixels: largest picture; also the largest frame in the second resize.
        min_pixels: smallest picture; smaller ones are enlarged to this, or to half of `max_pixels` if that is lower.
        frame_pixels: largest frame in the first resize.
    """

    max_pixels: int = 1280 * CELL**2
    min_pixels: int = 256 * CELL**2
    frame_pixels: int = 240 * 320

    def __post_init__(self) -> None:
        if self.max_pixels < READ_MIN_PIXELS:
            raise ValueError(f"max_pixels is {self.max_pixels}; expected at least {READ_MIN_PIXELS}")

    def image_steps(self, size: Size) -> tuple[Size, Size]:
        """Return the sizes, (height, width), of the first and the second resize of a picture."""
        first = smart_resize(size, READ_MIN_PIXELS, READ_MAX_PIXELS)
        return first, self.processed_size(first)

    def frame_steps(self, size: Size) -> tuple[Size, Size]:
        """Return the sizes, (height, width), of the first and the second resize of a frame."""
        first = smart_resize(size, min(FRAME_MIN_PIXELS, self.max_pixels), self.frame_pixels)
        return first, self.processed_size(first)

    def processed_size(self, size: Size) -> Size:
        """Return the size of the second resize, (height, width)."""
        return smart_resize(size, min(self.min_pixels, self.max_pixels // 2), self.max_pixels)


def smart_resize(size: Size, min_pixels: int, max_pixels: int) -> Size:
    """Return a size in whole cells, (height, width), that keeps the aspect ratio as well as the limits allow.

    Args:
        size: (height, width).
        min_pixels: area below which the picture is enlarged.
        max_pixels: area above which it is reduced; takes precedence where both limits cannot be met.
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
    """Return the patches in time, height and width; two frames form one, and a picture counts as two equal frames."""
    return math.ceil(frames / 2), size[0] // PATCH, size[1] // PATCH


def tokens_of(grid: Grid) -> int:
    """Return the number of tokens of the language model: four patches form one."""
    return grid[0] * grid[1] * grid[2] // 4
