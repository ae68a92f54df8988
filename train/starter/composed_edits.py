"""Edits of train photos to develop composed search on: several formulas for each kind of edit, and wordings.

The parameters of composed queries in `unite_search/encoders/starter/` were chosen with these edits by
`composed_recall.py`: block weights, exaggeration, certainty, the weight of late fusion, example phrases. The benchmark
of composed search has other formulas and other wordings on photos of another split. Development and benchmark must stay
separate: nothing of the benchmark may be used here.

`KNOWN` are edits that the encoder has a rule for. `RARE` are further such edits without queries: they only serve to
measure how features shift. `UNKNOWN` are edits that the encoder must not have a rule for: they measure the results of
requests that it does not recognise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Photo = Image.Image
Formula = Callable[[Photo], Photo]
Floats = NDArray[np.float64]

COLOURS = {
    "red": (200, 40, 30),
    "green": (50, 160, 60),
    "blue": (50, 80, 190),
    "yellow": (225, 200, 60),
    "orange": (230, 140, 40),
    "purple": (130, 60, 170),
    "pink": (235, 130, 180),
}
REPLACED = ("red", "green", "blue", "yellow")
LEAST_CHROMA = 30
"""Levels between the largest and the smallest channel of a pixel that has a colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentEdit:
    """One kind of edit.

    Attributes:
        formulas: functions from a photo to the edited photo of the same size; photos take them in turn.
        wordings: texts that ask for the edit; photos take them in turn.
        words: values for the braces of a wording, if they depend on the photo.
    """

    formulas: tuple[Formula, ...]
    wordings: tuple[str, ...]
    words: Callable[[Photo], Mapping[str, str]] = field(default=lambda _: {})

    def apply(self, photo: Photo, number: int) -> Photo:
        """Edit the photo with this number by the formula whose turn it is."""
        return self.formulas[number % len(self.formulas)](photo)


def _of_levels(change: Callable[[Floats], Floats]) -> Formula:
    """Make a formula from a function of (H, W, 3) levels in 0..1."""

    def apply(photo: Photo) -> Photo:
        levels = change(np.asarray(photo, np.float64) / 255)
        return Image.fromarray((255 * levels).round().clip(0, 255).astype(np.uint8))

    return apply


def _tint(colour: str) -> DevelopmentEdit:
    """Return an edit by a flat overlay, by the chroma of the colour with the luma kept, or by added light."""
    levels = np.array(COLOURS[colour]) / 255
    chroma = levels - _luma(levels)
    return DevelopmentEdit(
        formulas=(
            _of_levels(lambda photo: 0.6 * photo + 0.4 * levels),
            _of_levels(lambda photo: _luma(photo) + 0.8 * chroma),
            _of_levels(lambda photo: 1 - (1 - 0.8 * photo) * (1 - 0.6 * levels)),
        ),
        wordings=(
            f"dye it {colour}",
            f"everything in {colour}, please",
            f"under {colour} light",
            f"I would like a {colour} one of this",
            f"let it all be {colour}",
        ),
    )


def _luma(levels: Floats) -> Floats:
    """Return the luma (..., 1) of levels (..., 3)."""
    return np.asarray((levels @ np.array([0.299, 0.587, 0.114]))[..., None])


def _cropped(share: float) -> Formula:
    """Return a formula that removes this share of each side and enlarges the rest."""

    def apply(photo: Photo) -> Photo:
        left, top = (int(side * share) for side in photo.size)
        return photo.crop((left, top, photo.width - left, photo.height - top)).resize(photo.size)

    return apply


def _unsharp(photo: Photo) -> Photo:
    """Reduce the photo and enlarge it again."""
    return photo.resize((photo.width // 7, photo.height // 7)).resize(photo.size, Image.Resampling.BICUBIC)


def _replaced(photo: Photo) -> Photo:
    """Give the pixels of the photo's main colour the chroma of another colour, and keep their luma."""
    words = _main_colour(photo)
    levels = np.asarray(photo, np.float64) / 255
    target = np.array(COLOURS[words["new"]]) / 255
    spread = np.ptp(levels, axis=2, keepdims=True) / np.ptp(target)
    changed = np.where(
        _is_of(photo, words["old"])[..., None], _luma(levels) + spread * (target - _luma(target)), levels
    )
    return Image.fromarray((255 * changed).round().clip(0, 255).astype(np.uint8))


def _main_colour(photo: Photo) -> dict[str, str]:
    """Return the most frequent colour of a photo, `old`, and the one that replaces it, `new`."""
    old = max(REPLACED, key=lambda name: int(_is_of(photo, name).sum()))
    return {"old": old, "new": REPLACED[REPLACED.index(old) - 1]}


def _is_of(photo: Photo, colour: str) -> NDArray[np.bool_]:
    """Return a mask (H, W) of the pixels whose chroma is close to that of the colour."""
    levels = np.asarray(photo, np.float64)
    chroma = levels - levels.mean(axis=2, keepdims=True)
    wanted = np.array(COLOURS[colour], np.float64)
    wanted -= wanted.mean()
    cosine = chroma @ wanted / np.maximum(np.linalg.norm(chroma, axis=2) * np.linalg.norm(wanted), 1e-9)
    return np.asarray((cosine > np.cos(np.radians(40))) & (np.ptp(levels, axis=2) >= LEAST_CHROMA))


def _squeezed(photo: Photo) -> Photo:
    """Reduce the photo to half its width, between black bars."""
    out = Image.new("RGB", photo.size)
    out.paste(photo.resize((photo.width // 2, photo.height)), (photo.width // 4, 0))
    return out


def _vignette(levels: Floats) -> Floats:
    """Darken levels towards the corners."""
    rows, columns = (np.linspace(-1, 1, side) for side in levels.shape[:2])
    away = rows[:, None] ** 2 + columns[None] ** 2
    return np.asarray(levels * (1 - 0.5 * away)[..., None])


def _sketch(photo: Photo) -> Photo:
    """Draw the edges of the photo dark on white."""
    return ImageOps.invert(photo.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")


KNOWN: dict[str, DevelopmentEdit] = {
    **{colour: _tint(colour) for colour in COLOURS},
    "grey": DevelopmentEdit(
        formulas=(
            lambda photo: photo.getchannel("G").convert("RGB"),
            _of_levels(lambda photo: np.sqrt((photo**2).mean(axis=2, keepdims=True)) + 0 * photo),
            lambda photo: ImageOps.autocontrast(photo.convert("L"), 3).convert("RGB"),
        ),
        wordings=("take the colour out", "in greys", "how did this look before colour film", "uncoloured", "b/w"),
    ),
    "night": DevelopmentEdit(
        formulas=(
            _of_levels(lambda photo: photo * np.array([0.2, 0.25, 0.4])),
            _of_levels(lambda photo: 0.35 * _luma(photo) + np.array([0.0, 0.02, 0.08])),
            _of_levels(lambda photo: 0.9 * photo**3),
        ),
        wordings=("when it is dark outside", "the same place at night", "in the dark of the night", "nocturnal"),
    ),
    "bright": DevelopmentEdit(
        formulas=(
            _of_levels(lambda photo: photo + 0.2),
            _of_levels(lambda photo: 0.65 * photo + 0.35),
            _of_levels(lambda photo: 1 - (1 - photo) ** 1.8),
        ),
        wordings=("a brighter one", "give it more light", "with the light turned up", "it is too dark"),
    ),
    "dark": DevelopmentEdit(
        formulas=(_of_levels(lambda photo: 0.55 * photo), _of_levels(lambda photo: photo - 0.2)),
        wordings=("a darker one", "with the light turned down", "it is too bright", "dim the picture"),
    ),
    "flip": DevelopmentEdit(
        formulas=(ImageOps.mirror,),
        wordings=("the reflection of it", "facing the opposite way", "mirror-inverted", "flopped"),
    ),
    "crop": DevelopmentEdit(
        formulas=(_cropped(0.1), _cropped(0.17), _cropped(0.25)),
        wordings=("from closer up", "a close-up of the centre", "trim the borders", "magnify it"),
    ),
    "sepia": DevelopmentEdit(
        formulas=(
            _of_levels(lambda photo: _luma(photo) * np.array([1.1, 0.9, 0.65])),
            lambda photo: ImageOps.colorize(photo.convert("L"), (40, 25, 10), (255, 240, 210)),
        ),
        wordings=("like an antique photograph", "brown tones", "a sepia look", "vintage", "aged and brownish"),
    ),
    "upside down": DevelopmentEdit(
        formulas=(lambda photo: photo.transpose(Image.Transpose.ROTATE_180),),
        wordings=("standing on its head", "half a turn", "inverted, with the sky below", "the bottom up"),
    ),
    "blur": DevelopmentEdit(
        formulas=(lambda photo: photo.filter(ImageFilter.BoxBlur(5)), _unsharp),
        wordings=("blurry", "not in focus", "with a soft blur", "smeared, without details"),
    ),
    "replaced": DevelopmentEdit(
        formulas=(_replaced,),
        wordings=("change {old} to {new}", "{new} instead of {old}", "turn {old} things {new}", "{old} becomes {new}"),
        words=_main_colour,
    ),
}
RARE: dict[str, DevelopmentEdit] = {
    "vivid": DevelopmentEdit(formulas=(lambda photo: ImageEnhance.Color(photo).enhance(1.8),), wordings=()),
    "warm": DevelopmentEdit(formulas=(_of_levels(lambda photo: photo * np.array([1.2, 1.0, 0.75])),), wordings=()),
    "cold": DevelopmentEdit(formulas=(_of_levels(lambda photo: photo * np.array([0.75, 1.0, 1.2])),), wordings=()),
    "negative": DevelopmentEdit(formulas=(ImageOps.invert,), wordings=()),
}
UNKNOWN: dict[str, DevelopmentEdit] = {
    "posterised": DevelopmentEdit(
        formulas=(lambda photo: ImageOps.posterize(photo, 2),),
        wordings=("with very few shades", "like a screen print", "posterised"),
    ),
    "squeezed": DevelopmentEdit(
        formulas=(_squeezed,), wordings=("narrower", "squeezed from the sides", "between black bars")
    ),
    "vignette": DevelopmentEdit(
        formulas=(_of_levels(_vignette),), wordings=("with a vignette", "fading out towards the corners")
    ),
    "sketch": DevelopmentEdit(formulas=(_sketch,), wordings=("as a pencil drawing", "sketched", "only the outlines")),
    "contrast": DevelopmentEdit(
        formulas=(lambda photo: ImageEnhance.Contrast(photo).enhance(0.4),),
        wordings=("flat and hazy", "with little contrast", "washed out"),
    ),
}
