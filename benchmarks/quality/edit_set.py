"""The seen edits: seven edits of pictures, computed by Pillow, and texts that ask for them.

The starter's head was trained on photos after exactly these edits (`train/data/photo_edits.py`), with the wordings for
tuning; reports use other wordings. `unseen_edits.py` has edits that the head was not trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEdit:
    """One edit with the wordings of one split, as the composed benchmark asks for it.

    Attributes:
        name: short name, a row of the report.
        apply: function from (H, W, 3) uint8 RGB to the same shape.
        wordings: texts that ask for the edit; `words` gives the values in braces.
        words: values for the braces of a wording, if they depend on the photo.
    """

    name: str
    apply: Callable[[Pixels], Pixels]
    wordings: tuple[str, ...]
    words: Callable[[Pixels], Mapping[str, str]] = field(default=lambda _: {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEdit:
    """An edit that the head was trained on.

    Attributes:
        name: short name, a row of the report.
        apply: function from (H, W, 3) uint8 RGB to the same shape.
        train_wordings: texts that ask for the edit, for tuning.
        dev_wordings: other texts, for reports only.
    """

    name: str
    apply: Callable[[Pixels], Pixels]
    train_wordings: tuple[str, ...]
    dev_wordings: tuple[str, ...]

    def asked(self, split: str) -> AskedEdit:
        """Return the edit with the wordings of a split: those for reports for `dev`, those for tuning for `train`."""
        wordings = self.dev_wordings if split == "dev" else self.train_wordings
        return AskedEdit(name=self.name, apply=self.apply, wordings=wordings)


def _tint(colour: tuple[int, int, int], strength: float) -> Callable[[Pixels], Pixels]:
    """Return an edit that maps luminance from black over the colour to white, and blends that over the picture."""

    def apply(pixels: Pixels) -> Pixels:
        picture = Image.fromarray(pixels)
        coloured = ImageOps.colorize(picture.convert("L"), "black", "white", mid=colour)
        return np.asarray(Image.blend(picture, coloured, strength))

    return apply


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def _night(pixels: Pixels) -> Pixels:
    """Simulate night as film does: less saturation, much less light, a blue cast."""
    pale = ImageEnhance.Color(Image.fromarray(pixels)).enhance(0.6)
    red, green, blue = ImageEnhance.Brightness(pale).enhance(0.4).split()
    cast = (
        red.point(lambda value: value * 0.6),
        green.point(lambda value: value * 0.8),
        blue.point(lambda value: value * 1.2),
    )
    return np.asarray(Image.merge("RGB", cast))


def _flip(pixels: Pixels) -> Pixels:
    return np.asarray(ImageOps.mirror(Image.fromarray(pixels)))


def _bright(pixels: Pixels) -> Pixels:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(1.6))


EDITS: tuple[SeenEdit, ...] = (
    SeenEdit(
        name="red",
        apply=_tint((220, 30, 30), 0.6),
        train_wordings=("make it red", "turn it red", "the same but in red", "with a red tint"),
        dev_wordings=("can you color this red", "a red version of this picture", "give everything a reddish tone"),
    ),
    SeenEdit(
        name="blue",
        apply=_tint((40, 80, 220), 0.6),
        train_wordings=("make it blue", "turn it blue", "the same but in blue", "with a blue tint"),
        dev_wordings=("can you color this blue", "a blue version of this picture", "give everything a bluish tone"),
    ),
    SeenEdit(
        name="green",
        apply=_tint((40, 180, 60), 0.6),
        train_wordings=("make it green", "turn it green", "the same but in green", "with a green tint"),
        dev_wordings=("can you color this green", "a green version of this picture", "give everything a greenish tone"),
    ),
    SeenEdit(
        name="grey",
        apply=_grey,
        train_wordings=("make it black and white", "in greyscale", "the same without colour", "turn it gray"),
        dev_wordings=("as a monochrome photo", "remove all the colors", "desaturate this picture"),
    ),
    SeenEdit(
        name="night",
        apply=_night,
        train_wordings=("at night", "the same but at night", "make it night time", "after dark"),
        dev_wordings=(
            "what would this look like at midnight",
            "the same scene late in the night",
            "make it a night shot",
        ),
    ),
    SeenEdit(
        name="flip",
        apply=_flip,
        train_wordings=("flip it", "mirror it", "flip it horizontally", "the mirror image"),
        dev_wordings=("swap left and right", "reverse the picture left to right", "mirrored horizontally, please"),
    ),
    SeenEdit(
        name="bright",
        apply=_bright,
        train_wordings=("make it brighter", "brighten it", "more light", "the same but brighter"),
        dev_wordings=("increase the brightness", "it should be a lot lighter", "raise the exposure of this photo"),
    ),
)
