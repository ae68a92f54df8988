"""Edits of photos that nothing was trained or tuned on: other formulas, other kinds, other wordings.

The starter's head was trained on the formulas and wordings of `train/data/photo_edits.py`, which are exactly those of
`edit_set.py`; the composed benchmark calls them seen. Nothing in this file was used to train the head, to choose a
weight or a threshold, or to write an example phrase of the encoder, and nothing in it may be used so. Development has
its own kinds, formulas and wordings in `train/starter/composed_edits.py`, on train photos.

The edits form three groups. `formulas` are the kinds of training by other formulas: another tint for each colour,
another grey, another night, more light by gamma, another crop. Mirroring has one formula, so only its wordings are new.
`kinds` are kinds that the head was not trained on; the encoder has a rule for some of them. `unruled` are kinds that
the encoder has no rule for: they measure the results of requests that it does not recognise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from benchmarks.quality.edit_set import AskedEdit, Pixels

Floats = NDArray[np.float64]

HUES = {"red": 0, "yellow": 60, "green": 120, "blue": 240}
"""Degrees on the colour wheel."""
OTHER_HUE = {"red": "blue", "yellow": "red", "green": "red", "blue": "yellow"}
HUE_REACH = 40
"""Degrees on either side of a hue that count as this hue."""
LEAST_SATURATION = 50
"""Least saturation, of 255, of a pixel that has a colour to replace."""


def _red_hue(pixels: Pixels) -> Pixels:
    """Change every hue to red, and tint greys."""
    _, saturation, value = Image.fromarray(pixels).convert("HSV").split()
    hue = Image.new("L", saturation.size, 0)
    return _rgb(Image.merge("HSV", (hue, saturation.point(lambda level: 110 + level * 0.55), value)))


def _blue_filter(pixels: Pixels) -> Pixels:
    """Apply a blue filter: the other channels lose most of their light."""
    return _levels(pixels * np.array([0.35, 0.55, 1.0]))


def _green_multiply(pixels: Pixels) -> Pixels:
    """Multiply the mean of the channels by green."""
    return _levels(pixels.mean(axis=2, keepdims=True) * np.array([0.45, 1.0, 0.4]))


def _lightness(pixels: Pixels) -> Pixels:
    """Turn the photo to grey: the middle between the largest and the smallest channel."""
    wide = pixels.astype(np.float64)
    return _levels(np.repeat((wide.max(axis=2, keepdims=True) + wide.min(axis=2, keepdims=True)) / 2, 3, axis=2))


def _moonlight(pixels: Pixels) -> Pixels:
    """Darken shadows more than highlights, then mix with navy."""
    dark = 255 * (pixels / 255) ** 2.2 * 0.6
    return _levels(0.7 * dark + 0.3 * np.array([12, 20, 60]))


def _mirror(pixels: Pixels) -> Pixels:
    return np.asarray(ImageOps.mirror(Image.fromarray(pixels)))


def _gamma(pixels: Pixels) -> Pixels:
    return _levels(255 * (pixels / 255) ** 0.5)


def _middle(pixels: Pixels) -> Pixels:
    """Enlarge the middle 60 % of either side."""
    photo = Image.fromarray(pixels)
    left, top = photo.width // 5, photo.height // 5
    return np.asarray(photo.crop((left, top, photo.width - left, photo.height - top)).resize(photo.size))


def _sepia(pixels: Pixels) -> Pixels:
    """Apply a sepia matrix.

    Source: the matrix of the CSS filter `sepia(1)`, W3C Filter Effects Module Level 1, section 9.4.
    """
    matrix = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    return _levels(pixels @ matrix.T)


def _half_turn(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[::-1, ::-1])


def _blur(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(4)))


def _replaced(pixels: Pixels) -> Pixels:
    """Give the pixels of the photo's main colour another hue."""
    old, new = _colours(pixels).values()
    hue, saturation, value = (np.asarray(band) for band in Image.fromarray(pixels).convert("HSV").split())
    turned = np.where(_has_hue(hue, saturation, old), round(HUES[new] / 360 * 255), hue).astype(np.uint8)
    return _rgb(Image.merge("HSV", tuple(Image.fromarray(band) for band in (turned, saturation, value))))


def _colours(pixels: Pixels) -> dict[str, str]:
    """Return the main colour of a photo, `old`, and the colour that replaces it, `new`."""
    hue, saturation, _ = (np.asarray(band) for band in Image.fromarray(pixels).convert("HSV").split())
    old = max(HUES, key=lambda name: int(_has_hue(hue, saturation, name).sum()))
    return {"old": old, "new": OTHER_HUE[old]}


def _has_hue(hue: Pixels, saturation: Pixels, name: str) -> NDArray[np.bool_]:
    away = np.abs((hue * (360 / 255) - HUES[name] + 180) % 360 - 180)
    return np.asarray((away <= HUE_REACH) & (saturation >= LEAST_SATURATION))


def _mosaic(pixels: Pixels) -> Pixels:
    photo = Image.fromarray(pixels)
    small = photo.resize((14, 14), Image.Resampling.BOX)
    return np.asarray(small.resize(photo.size, Image.Resampling.NEAREST))


def _framed(pixels: Pixels) -> Pixels:
    """Reduce the photo and put it into a wide white frame."""
    photo = Image.fromarray(pixels)
    small = photo.resize((photo.width * 7 // 10, photo.height * 7 // 10))
    frame = Image.new("RGB", photo.size, "white")
    frame.paste(small, ((photo.width - small.width) // 2, (photo.height - small.height) // 2))
    return np.asarray(frame)


def _grainy(pixels: Pixels) -> Pixels:
    """Add coarse grain, the same to every photo."""
    grain = np.random.default_rng(0).normal(0, 40, pixels.shape[:2])
    return _levels(pixels + grain[..., None])


def _rgb(photo: Image.Image) -> Pixels:
    return np.asarray(photo.convert("RGB"))


def _levels(values: Floats) -> Pixels:
    return np.asarray(values.round().clip(0, 255), np.uint8)


def _tinted(colour: str) -> tuple[str, ...]:
    return (
        f"bathe the scene in {colour}",
        f"as if seen through a {colour} filter",
        f"how would it look all in {colour}?",
        f"the whole image should be {colour}",
    )


UNSEEN_EDITS: dict[str, tuple[AskedEdit, ...]] = {
    "formulas": (
        AskedEdit(name="red", apply=_red_hue, wordings=_tinted("red")),
        AskedEdit(name="blue", apply=_blue_filter, wordings=_tinted("blue")),
        AskedEdit(name="green", apply=_green_multiply, wordings=_tinted("green")),
        AskedEdit(
            name="grey",
            apply=_lightness,
            wordings=(
                "strip away the colours",
                "like an old black-and-white film",
                "shades of grey only",
                "no colour at all",
            ),
        ),
        AskedEdit(
            name="night",
            apply=_moonlight,
            wordings=(
                "by moonlight",
                "hours after the sun went down",
                "this place in the middle of the night",
                "night-time",
            ),
        ),
        AskedEdit(
            name="flip",
            apply=_mirror,
            wordings=("as seen in a mirror", "left should be right and right left", "turn it around horizontally"),
        ),
        AskedEdit(
            name="bright",
            apply=_gamma,
            wordings=(
                "lighten the shadows",
                "the picture is too dark, lift it",
                "make everything lighter",
                "add light to it",
            ),
        ),
        AskedEdit(
            name="crop",
            apply=_middle,
            wordings=(
                "zoomed in on the middle",
                "crop away the edges",
                "enlarge the centre",
                "get nearer to the subject",
            ),
        ),
    ),
    "kinds": (
        AskedEdit(
            name="sepia",
            apply=_sepia,
            wordings=(
                "as a sepia print",
                "brownish, like a photo from 1900",
                "in the brown of old photographs",
                "sepia toned",
            ),
        ),
        AskedEdit(
            name="upside down",
            apply=_half_turn,
            wordings=("turned on its head", "rotated by 180 degrees", "the wrong way up", "top at the bottom"),
        ),
        AskedEdit(
            name="blur",
            apply=_blur,
            wordings=("out-of-focus version", "the lens was not focused", "all fuzzy", "make the picture unsharp"),
        ),
        AskedEdit(
            name="replaced",
            apply=_replaced,
            wordings=(
                "make the {old} parts {new}",
                "whatever is {old} should be {new}",
                "{new} in place of {old}",
                "recolour {old} areas as {new}",
            ),
            words=_colours,
        ),
    ),
    "unruled": (
        AskedEdit(
            name="mosaic",
            apply=_mosaic,
            wordings=(
                "in big square blocks",
                "censored with a mosaic",
                "like a game of the eighties",
                "very low resolution",
            ),
        ),
        AskedEdit(
            name="framed",
            apply=_framed,
            wordings=("with a white border all around", "put into a white frame", "smaller, on white paper"),
        ),
        AskedEdit(
            name="grainy",
            apply=_grainy,
            wordings=("with film grain", "noisy, like at high ISO", "as a speckled picture", "grainy"),
        ),
    ),
}
