"""Describe the colours of a picture and where they are, independent of its subject.

A picture is reduced to a thumbnail, and two blocks are computed from it: a soft histogram of its colours, whose cosine
is the Bhattacharyya coefficient, and a coarse grid of colours, which distinguishes left from right. Edits are applied
to the thumbnail, so that a query can ask for colours that its own picture does not have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THUMBNAIL_SIDE = 28
LEVELS = 5
GRID_SIDE = 4
COLOUR_DIM = LEVELS**3
LAYOUT_DIM = GRID_SIDE**2 * 3
LEAST_CONTRAST = 0.01
"""Grids with less contrast than this fade to zero instead of being scaled to unit length."""

Floats = NDArray[np.float32]


def thumbnails(pixels: NDArray[np.uint8]) -> Floats:
    """Reduce pictures to thumbnails by averaging blocks of pixels.

    Args:
        pixels: (N, H, W, 3) uint8 RGB; H and W are multiples of 28.

    Returns:
        (N, 28, 28, 3) float32 in 0..1.
    """
    return np.asarray(_block_means(pixels, THUMBNAIL_SIDE) / 255, np.float32)


def colour_block(thumbs: Floats) -> Floats:
    """Return soft histograms of colours, (N, 125) float32 unit rows; each colour is shared by the bins around it."""
    centres = np.linspace(0, 1, LEVELS, dtype=np.float32)
    nearness = 1 - np.abs(thumbs[..., None] - centres) * (LEVELS - 1)  # (N, 28, 28, 3, 5)
    red, green, blue = np.moveaxis(nearness.clip(0).reshape(len(thumbs), -1, 3, LEVELS), 2, 0)
    pairs = (red[..., :, None] * green[..., None, :]).reshape(*red.shape[:2], LEVELS**2)
    shares = np.swapaxes(pairs, 1, 2) @ blue / red.shape[1]  # (N, 25, 5), sums to 1
    return np.asarray(np.sqrt(shares.reshape(len(thumbs), COLOUR_DIM)), np.float32)


def layout_block(thumbs: Floats) -> Floats:
    """Return a 4 x 4 grid of colours less their mean, (N, 48) float32; unit rows, but shorter for uniform pictures."""
    cells = _block_means(thumbs, GRID_SIDE)
    centred = (cells - cells.mean(axis=(1, 2), keepdims=True)).reshape(len(thumbs), LAYOUT_DIM)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, LEAST_CONTRAST), np.float32)


def _block_means(pixels: NDArray[np.uint8] | Floats, side: int) -> Floats:
    """Average (N, H, W, C) over blocks, to (N, side, side, C) float32."""
    count, height, width, channels = pixels.shape
    tall, wide = height // side, width // side
    total = np.uint32 if pixels.dtype == np.uint8 else np.float32
    rows = pixels.reshape(count, side, tall, width * channels).sum(axis=2, dtype=total)
    cells = rows.reshape(count, side, side, wide, channels).sum(axis=3)
    return np.asarray(cells / np.float32(tall * wide), np.float32)
