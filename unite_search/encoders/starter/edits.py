"""Recognise edits that a text asks for by example phrases, and apply them to thumbnails.

An edit changes the colours or the orientation of a picture and keeps its subject: the query "this photo, but at night"
needs the subject of the photo and the colours of a night. A request does not say by which formula to tint or to darken,
so an edit has several formulas, and a query uses the mean of their results.
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
"""Maps (..., 28, 28, 3) thumbnails in 0..1 to the same shape."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Source: ITU-R BT.601."""
TINT = 0.5
"""Share of the new colour in the grey parts of a recoloured picture."""
LEAST_SIMILARITY, FULL_SIMILARITY = 0.45, 0.65
"""Between the two, the certainty of an edit rises from 0 to 1; chosen with `train/starter/composed_recall.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEdit:
    """One edit.

    Attributes:
        name: one or two words, a key of `EDITS`; for a replaced colour such as `red to blue`.
        formulas: ways to compute the edit, the simplest first.
        recolours: whether the request alone tells the colours of the result; mirroring, for example, keeps the colours.
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
            The edit of the most similar phrase and its certainty, above 0 and at most 1; None and 0 if that phrase asks
            for no edit or is not similar enough.
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
    """Return a formula that multiplies the channels."""
    factors = np.array([red, green, blue], np.float32)
    return lambda thumbs: np.clip(thumbs * factors, 0, 1)


def toned(red: float, green: float, blue: float) -> Formula:
    """Return a formula that multiplies the luma by a factor for each channel."""
    return lambda thumbs: scaled(red, green, blue)(grey(thumbs))


def bent(exponent: float) -> Formula:
    """Return a formula that raises levels to a power, below 1 for more light; black and white do not change."""
    return lambda thumbs: np.asarray(np.clip(thumbs, 0, 1) ** np.float32(exponent), np.float32)


def mixed(share: float, red: float, green: float, blue: float) -> Formula:
    """Return a formula that blends a colour over the picture with the opacity `share`."""
    colour = np.array([red, green, blue], np.float32)
    return lambda thumbs: np.asarray((1 - share) * thumbs + share * colour, np.float32)


def saturated(factor: float) -> Formula:
    """Return a formula that multiplies the distance of colours from grey."""
    return lambda thumbs: np.clip(grey(thumbs) + factor * (thumbs - grey(thumbs)), 0, 1)


def cropped(cells: int) -> Formula:
    """Return a formula that removes so many cells of the thumbnail on each side and enlarges the rest."""
    kept = np.linspace(cells, THUMBNAIL_SIDE - 1 - cells, THUMBNAIL_SIDE).round().astype(np.int64)
    return lambda thumbs: thumbs[..., kept[:, None], kept, :]


def recoloured(red: float, green: float, blue: float) -> Formula:
    """Return a formula that replaces every colour and tints greys; black and white do not change."""
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
    """Return the edit that recolours by hue, by multiplied luma, by a colour filter or by a flat overlay."""
    colour = HUES[name]
    red, green, blue = (channel / max(colour) for channel in colour)
    ink = toned(1.3 * red, 1.3 * green, 1.3 * blue)
    glass = scaled(0.2 + 0.8 * red, 0.2 + 0.8 * green, 0.2 + 0.8 * blue)
    return KnownEdit(name=name, formulas=(recoloured(*colour), ink, glass, mixed(0.45, *colour)))


def _sepia(thumbs: Floats) -> Floats:
    """Tone the luma in brown, and blend a light brown over it."""
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
