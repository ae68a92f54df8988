from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

from unite_search.content import Clip, Image  # noqa: E402
from unite_search.encoders.unite.pixels import grid_of_part, patches_of_part, processed  # noqa: E402
from unite_search.encoders.unite.sizes import PixelLimits  # noqa: E402

OFFICIAL_MEAN, OFFICIAL_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def one_by_one(frames: np.ndarray) -> np.ndarray:
    """What the official processor computes, a patch at a time."""
    rescaled = (frames.astype(np.float64) * (1 / 255)).astype(np.float32)
    normalised = (rescaled - np.array(OFFICIAL_MEAN, np.float32)) / np.array(OFFICIAL_STD, np.float32)
    if len(frames) % 2:
        normalised = np.concatenate([normalised, normalised[-1:]])
    rows = [
        np.moveaxis(normalised[time : time + 2, top : top + 14, left : left + 14], 3, 0).reshape(-1)
        for time in range(0, len(normalised), 2)
        for cell_top in range(0, frames.shape[1], 28)
        for cell_left in range(0, frames.shape[2], 28)
        for top in (cell_top, cell_top + 14)
        for left in (cell_left, cell_left + 14)
    ]
    return np.stack(rows)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_patches_are_those_of_the_official_processor_bit_by_bit(count: int) -> None:
    frames = drawn(count, 56, 84, 3)
    np.testing.assert_array_equal(processed(frames, (56, 84)), one_by_one(frames))


def test_every_byte_is_normalised_as_officially() -> None:
    every = (np.arange(28 * 28) % 256).astype(np.uint8).reshape(1, 28, 28)
    frames = np.stack([every] * 3, axis=-1)
    np.testing.assert_array_equal(processed(frames, (28, 28)), one_by_one(frames))


def test_a_part_has_as_many_patches_as_its_grid_says() -> None:
    limits = PixelLimits(max_pixels=64 * 784)
    for part in (Image(drawn(50, 70, 3)), Clip(drawn(3, 40, 30, 3), np.arange(3.0))):
        times, rows, columns = grid_of_part(part, limits)
        assert patches_of_part(part, limits).shape == (times * rows * columns, 1176)
