"""Pixel edits of photos, and the words in which people ask for them: composed triplets from any photo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

PhotoEdit = Callable[[Image.Image], Image.Image]

NIGHT_CHANNELS = (0.6, 0.8, 1.2)
CROP_SHARE = 0.15


def apply_edit(name: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply the edit of this name to (H, W, 3) uint8 RGB; returns the same shape."""
    return np.asarray(EDITS[name](Image.fromarray(pixels)), np.uint8)


def _tint(*colour: int) -> PhotoEdit:
    def apply(photo: Image.Image) -> Image.Image:
        coloured = ImageOps.colorize(photo.convert("L"), "black", "white", mid=colour)
        return Image.blend(photo, coloured, 0.6)

    return apply


def _night(photo: Image.Image) -> Image.Image:
    dim = np.asarray(ImageEnhance.Brightness(ImageEnhance.Color(photo).enhance(0.6)).enhance(0.4))
    return Image.fromarray((dim * np.array(NIGHT_CHANNELS)).clip(0, 255).astype(np.uint8))


def _crop(photo: Image.Image) -> Image.Image:
    left, top = (int(side * CROP_SHARE) for side in photo.size)
    return photo.crop((left, top, photo.width - left, photo.height - top)).resize(photo.size)


EDITS: dict[str, PhotoEdit] = {
    "red": _tint(220, 30, 30),
    "blue": _tint(40, 80, 220),
    "green": _tint(40, 180, 60),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "night": _night,
    "bright": lambda photo: ImageEnhance.Brightness(photo).enhance(1.6),
    "flip": ImageOps.mirror,
    "crop": _crop,
}
EDIT_WORDINGS: dict[str, tuple[str, ...]] = {
    "red": ("make it red", "turn it red", "the same but in red", "with a red tint"),
    "blue": ("make it blue", "turn it blue", "the same but in blue", "with a blue tint"),
    "green": ("make it green", "turn it green", "the same but in green", "with a green tint"),
    "grey": ("make it black and white", "in greyscale", "the same without colour", "turn it gray"),
    "night": ("at night", "the same but at night", "make it night time", "after dark"),
    "bright": ("make it brighter", "brighten it", "more light", "the same but brighter"),
    "flip": ("flip it", "mirror it", "flip it horizontally", "the mirror image"),
    "crop": ("closer", "zoom in", "a closer view", "only the middle of it"),
}
