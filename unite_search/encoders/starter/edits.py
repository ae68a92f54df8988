"""Edits that people ask for in words: the words are compared with example phrases, the edit is done to thumbnails.

An edit changes how a picture looks and not what it shows: the query "this photo, but at night" needs the subject of the
photo and the colours of a night.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unite_search.encoders.starter.phrases import all_phrases

Floats = NDArray[np.float32]
Edit = Callable[[Floats], Floats]
"""What an edit does to (..., 28, 28, 3) thumbnails in 0..1."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Source: ITU-R BT.601."""
TINT = 0.5
"""How much of a colour grey things take on when a picture is recoloured."""
LEAST_SIMILARITY = 0.55


@dataclass(frozen=True, slots=True)
class EditBook:
    """Recognises edits; `embeddings` is (P, D) float32, the unit row of each of `all_phrases()`."""

    embeddings: Floats
    names: tuple[str | None, ...] = field(default_factory=lambda: tuple(name for _, name in all_phrases()))

    def find(self, embedding: Floats) -> Edit | None:
        """Find the edit that a text asks for.

        Args:
            embedding: (D,) unit text embedding.

        Returns:
            The edit of the most similar phrase; None if that phrase is no edit, or not similar enough.
        """
        similarities = self.embeddings @ embedding
        nearest = int(similarities.argmax())
        name = self.names[nearest]
        return EDITS[name] if name and similarities[nearest] >= LEAST_SIMILARITY else None


def grey(thumbs: Floats) -> Floats:
    """Keep the luma only."""
    return np.repeat((thumbs @ LUMA)[..., None], 3, axis=-1)


def flip(thumbs: Floats) -> Floats:
    """Swap left and right."""
    return thumbs[..., ::-1, :]


def scaled(red: float, green: float, blue: float) -> Edit:
    """Multiply the channels."""
    factors = np.array([red, green, blue], np.float32)
    return lambda thumbs: np.clip(thumbs * factors, 0, 1)


def saturated(factor: float) -> Edit:
    """Move colours away from grey."""
    return lambda thumbs: np.clip(grey(thumbs) + factor * (thumbs - grey(thumbs)), 0, 1)


def recoloured(red: float, green: float, blue: float) -> Edit:
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


night = scaled(0.3, 0.35, 0.45)

EDITS: dict[str, Edit] = {
    "red": recoloured(0.85, 0.1, 0.1),
    "orange": recoloured(0.95, 0.55, 0.1),
    "yellow": recoloured(0.9, 0.85, 0.1),
    "green": recoloured(0.15, 0.7, 0.2),
    "blue": recoloured(0.15, 0.25, 0.85),
    "purple": recoloured(0.55, 0.15, 0.75),
    "pink": recoloured(0.95, 0.45, 0.7),
    "grey": grey,
    "night": night,
    "dark": scaled(0.55, 0.55, 0.55),
    "bright": scaled(1.5, 1.5, 1.5),
    "flip": flip,
    "vivid": saturated(1.6),
    "warm": scaled(1.15, 1.0, 0.8),
    "cold": scaled(0.8, 1.0, 1.15),
}
