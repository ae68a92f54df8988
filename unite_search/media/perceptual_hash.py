"""The perceptual hash of a picture: 63 bits that hardly change when it is resized, compressed again or brightened.

A bit says whether one of the 63 lowest frequencies of the picture in grey is above the median of them. So it is about
the coarse structure, and nearly equal for pictures that a person would call copies. docs/results.md has what is found
with it, and with the difference hash.

Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1 (a DCT of
32 x 32 grey values, its 8 x 8 lowest frequencies, their median). We leave the constant out, which is brightness, and
average blocks of pixels instead of filtering all of them.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

SIDE = 32
FREQUENCIES = 8
REDUCED_SIDE = 2 * SIDE
"""Averaging whole blocks of pixels down to about this side takes a quarter of the time of an exact resize."""
MOST_ROWS = 4 * SIDE
"""About so many rows of pixels are looked at, so that a picture of any size costs little."""
LEAST_CONTRAST = 2.0
"""Standard deviation of the grey values below which a picture is flat; 7,000 photos of Flickr8k have at least 9."""
FLAT = 0
"""The hash of a flat picture, such as a black frame: it says nothing. A few drawings that only get
brighter to the right and down have it, too."""
DECIMALS = 3
"""Frequencies are compared in this precision, so that those which a drawing does not have are equal everywhere."""

_COSINES = np.cos(np.pi / SIDE * np.arange(FREQUENCIES)[:, None] * (np.arange(SIDE) + 0.5))


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """Return the hash of (H, W, 3) pixels, at least 0 and below 2**63; `FLAT` for a picture without contrast."""
    grey = _grey(pixels)
    if grey.std() < LEAST_CONTRAST:
        return FLAT
    frequencies = np.round(_COSINES @ grey @ _COSINES.T, DECIMALS).reshape(-1)[1:]
    middle = len(frequencies) // 2
    bits = np.packbits(np.append(False, frequencies > np.partition(frequencies, middle)[middle]))
    return int.from_bytes(bits.tobytes(), "big")


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (SIDE, SIDE) grey values."""
    rows = pixels[:: max(1, len(pixels) // MOST_ROWS)]
    factors = max(1, rows.shape[1] // REDUCED_SIDE), max(1, rows.shape[0] // REDUCED_SIDE)
    small = PIL.Image.fromarray(rows).reduce(factors).convert("L")
    return np.asarray(small.resize((SIDE, SIDE), PIL.Image.Resampling.BOX), np.float64)
