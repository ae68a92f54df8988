"""Edits that people ask for in words: the words are compared with example phrases, the edit is done to thumbnails.

An edit changes how a picture looks and not what it shows: the query "this photo, but at night" needs the subject of the
photo and the colours of a night. Nobody says by which formula a picture is to be tinted or darkened, so an edit has
several, and a query asks for what they have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unite_search.encoders.starter.descriptor import THUMBNAIL_SIDE
from unite_search.encoders.starter.phrases import all_phrases

Floats = NDArray[np.float32]
Formula = Callable[[Floats], Floats]
"""What an edit may do to (..., 28, 28, 3) thumbnails in 0..1."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Source: ITU-R BT.601."""
TINT = 0.5
"""How much of a colour grey things take on when a picture is recoloured."""
LEAST_SIMILARITY, FULL_SIMILARITY = 0.45, 0.65
"""Between the two, a text may ask for an edit or for something else; see `train/starter/composed_recall.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEdit:
    """One edit.

    Attributes:
        name: one word or two, a key of `EDITS`.
        formulas: the first is the plainest.
        recolours: whether its words alone say which colours are wanted; a mirrored picture has those that it had.
    """

    name: str
    formulas: tuple[Formula, ...]
    recolours: bool = True


@dataclass(frozen=True, slots=True)
class EditBook:
    """Recognises edits; `embeddings` is (P, D) float32, the unit row of each of `all_phrases()`."""

    embeddings: Floats
    names: tuple[str | None, ...] = field(default_factory=lambda: tuple(name for _, name in all_phrases()))

    def find(self, embedding: Floats) -> tuple[KnownEdit | None, float]:
        """Find the edit that a text asks for.

        Args:
            embedding: (D,) unit text embedding.

        Returns:
            The edit of the most similar phrase, and how certain that is, above 0 and at most 1; None and 0 if that
            phrase is no edit, or not similar enough.
        """
        similarities = self.embeddings @ embedding
        nearest = int(similarities.argmax())
        certainty = (float(similarities[nearest]) - LEAST_SIMILARITY) / (FULL_SIMILARITY - LEAST_SIMILARITY)
        name = self.names[nearest]
        return (EDITS[name], min(certainty, 1.0)) if name and certainty > 0 else (None, 0.0)


def grey(thumbs: Floats) -> Floats:
    """Keep the luma only."""
    return np.repeat((thumbs @ LUMA)[..., None], 3, axis=-1)


def flip(thumbs: Floats) -> Floats:
    """Swap left and right."""
    return thumbs[..., ::-1, :]


def scaled(red: float, green: float, blue: float) -> Formula:
    """Multiply the channels."""
    factors = np.array([red, green, blue], np.float32)
    return lambda thumbs: np.clip(thumbs * factors, 0, 1)


def toned(red: float, green: float, blue: float) -> Formula:
    """Multiply the luma to channels."""
    return lambda thumbs: scaled(red, green, blue)(grey(thumbs))


def bent(exponent: float) -> Formula:
    """Raise levels to a power, below 1 for more light; black and white stay."""
    return lambda thumbs: np.asarray(np.clip(thumbs, 0, 1) ** np.float32(exponent), np.float32)


def mixed(share: float, red: float, green: float, blue: float) -> Formula:
    """Lay a colour over the picture, of which `share` is seen."""
    colour = np.array([red, green, blue], np.float32)
    return lambda thumbs: np.asarray((1 - share) * thumbs + share * colour, np.float32)


def saturated(factor: float) -> Formula:
    """Move colours away from grey."""
    return lambda thumbs: np.clip(grey(thumbs) + factor * (thumbs - grey(thumbs)), 0, 1)


def cropped(cells: int) -> Formula:
    """Enlarge the middle: so many of the thumbnail's cells fall away on each side."""
    kept = np.linspace(cells, THUMBNAIL_SIDE - 1 - cells, THUMBNAIL_SIDE).round().astype(np.int64)
    return lambda thumbs: thumbs[..., kept[:, None], kept, :]


def recoloured(red: float, green: float, blue: float) -> Formula:
    """Give a colour to what has one, and a tint of it to what is grey; black and white stay."""
    colour = np.array([red, green, blue], np.float32)
    chroma = colour - colour @ LUMA

    def apply(thumbs: Floats) -> Floats:
        luma, spread = grey(thumbs), np.ptp(thumbs, axis=-1, keepdims=True)
        colourfulness = np.sqrt(spread)
        amount = np.maximum(4 * luma * (1 - luma), spread / np.ptp(colour))
        coloured = luma + colourfulness * (colour @ LUMA - luma) + amount * chroma
        share = TINT + (1 - TINT) * colourfulness
        return np.asarray(np.clip((1 - share) * thumbs + share * coloured, 0, 1), np.float32)

    return apply


def _tint(name: str) -> KnownEdit:
    """Recolour, print in the colour's ink, look through its glass, or lay it over the picture."""
    colour = HUES[name]
    red, green, blue = (channel / max(colour) for channel in colour)
    ink = toned(1.3 * red, 1.3 * green, 1.3 * blue)
    glass = scaled(0.2 + 0.8 * red, 0.2 + 0.8 * green, 0.2 + 0.8 * blue)
    return KnownEdit(name=name, formulas=(recoloured(*colour), ink, glass, mixed(0.45, *colour)))


def _sepia(thumbs: Floats) -> Floats:
    return mixed(0.1, 1.0, 0.7, 0.4)(toned(1.1, 0.9, 0.7)(thumbs))


HUES = {
    "red": (0.85, 0.1, 0.1),
    "orange": (0.95, 0.55, 0.1),
    "yellow": (0.9, 0.85, 0.1),
    "green": (0.15, 0.7, 0.2),
    "blue": (0.15, 0.25, 0.85),
    "purple": (0.55, 0.15, 0.75),
    "pink": (0.95, 0.45, 0.7),
}
EDITS: dict[str, KnownEdit] = {name: _tint(name) for name in HUES} | {
    edit.name: edit
    for edit in (
        KnownEdit(name="grey", formulas=(grey,)),
        KnownEdit(
            name="night", formulas=(scaled(0.3, 0.35, 0.45), bent(2.5), lambda t: mixed(0.3, 0.05, 0.08, 0.2)(t * t))
        ),
        KnownEdit(name="dark", formulas=(scaled(0.55, 0.55, 0.55), bent(1.8), lambda t: np.clip(t - 0.2, 0, 1))),
        KnownEdit(name="bright", formulas=(scaled(1.5, 1.5, 1.5), bent(0.6), mixed(0.3, 1, 1, 1))),
        KnownEdit(name="flip", formulas=(flip,), recolours=False),
        KnownEdit(name="vivid", formulas=(saturated(1.6),)),
        KnownEdit(name="warm", formulas=(scaled(1.15, 1.0, 0.8),)),
        KnownEdit(name="cold", formulas=(scaled(0.8, 1.0, 1.15),)),
        KnownEdit(name="sepia", formulas=(toned(1.1, 0.9, 0.7), _sepia)),
        KnownEdit(name="negative", formulas=(lambda t: 1 - t,)),
        KnownEdit(name="upside down", formulas=(lambda t: t[..., ::-1, ::-1, :],), recolours=False),
        KnownEdit(name="crop", formulas=(cropped(3), cropped(5), cropped(7)), recolours=False),
        KnownEdit(name="blur", formulas=(lambda t: t,), recolours=False),
    )
}
