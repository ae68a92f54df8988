"""The perceptual hash: the bits of its definition, the same for copies, none for a flat picture."""

from __future__ import annotations

from math import cos, pi
from pathlib import Path
from statistics import median

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from unite_search.media.images import read_image
from unite_search.media.perceptual_hash import FLAT, perceptual_hash


def blobs(seed: int, side: int = 192) -> NDArray[np.uint8]:
    """A random picture that has, as photos have, less of finer structure: grids of colours, enlarged and added."""
    generator = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (2, 4, 8, 16, 32):
        grid = PIL.Image.fromarray(generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(grid.resize((side, side), PIL.Image.Resampling.BICUBIC), float) / cells
    return np.asarray(total / total.max() * 230, np.uint8)


def differing(left: int, right: int) -> int:
    return (left ^ right).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_hash_of_its_definition(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    pixels = np.repeat(values[:, :, None], 3, axis=2)
    waves = [[cos(pi / 32 * k * (n + 0.5)) for n in range(32)] for k in range(8)]
    frequencies = [
        sum(float(values[y, x]) * waves[j][y] * waves[k][x] for y in range(32) for x in range(32))
        for j in range(8)
        for k in range(8)
        if j or k
    ]
    middle = median(frequencies)
    assert f"{perceptual_hash(pixels):063b}" == "".join(str(int(value > middle)) for value in frequencies)


@pytest.mark.parametrize("seed", range(5))
def test_copies_of_a_picture_have_nearly_its_hash(seed: int, tmp_path: Path) -> None:
    pixels = blobs(seed)
    picture = PIL.Image.fromarray(pixels)
    bright = PIL.Image.fromarray(np.clip(pixels * 1.1, 0, 255).astype(np.uint8))
    path = tmp_path / "a.jpg"
    for copy in (picture, picture.resize((96, 96)), picture.crop((2, 2, 190, 190)), bright):
        copy.save(path, quality=40)
        read = read_image(path, side=None, max_pixels=1 << 20).image.pixels
        assert differing(perceptual_hash(read), perceptual_hash(pixels)) <= 8


def test_different_pictures_have_different_hashes() -> None:
    hashes = [perceptual_hash(blobs(seed)) for seed in range(30)]
    assert min(differing(left, right) for place, left in enumerate(hashes) for right in hashes[:place]) > 8


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (300, 2, 3), (90, 120, 3)])
@pytest.mark.parametrize("value", [0, 130, 255])
def test_a_flat_picture_has_no_structure(shape: tuple[int, int, int], value: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2, shape)
    assert perceptual_hash(np.clip(value + noise, 0, 255).astype(np.uint8)) == FLAT


def test_a_pattern_that_is_too_fine_to_be_seen_is_flat() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    assert perceptual_hash(stripes) == FLAT
