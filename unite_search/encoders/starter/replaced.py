"""One colour in the place of another: "make the red parts blue", "green instead of yellow".

Such a wish names two colours, which of them is to go, and nothing else, or the thing that has the colour. A wish that
puts one thing in the place of another ("a blue bus instead of the red car") is a swap, see `swaps.py`.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from unite_search.encoders.starter.edits import HUES, LUMA, Floats, Formula, KnownEdit

COLOUR = re.compile(rf"\b({'|'.join(HUES)})\b")
CHANGE = re.compile(
    r"\b(?:make|turn|paint|dye|change|replace|swap|switch|exchange|convert|substitute|becomes?|should|shall|must|instead"
    r"|rather|in (?:the )?place|(?:re)?colou?r|tint|not)\b"
)
NEW_FIRST = re.compile(r"\b(?:instead of|rather than|in (?:the )?place of|substitute|not)\b")
OLD_FIRST = re.compile(r"^\W*(?:instead of|rather than|in (?:the )?place of|not)\b")
AFTER_NEW = frozenset(
    {"please", "now", "one", "ones", "for", "colour", "color", "parts", "things", "areas", "too", "here"}
)
"""Words that may follow the new colour; any other is a thing, so that a thing is asked for."""
LONGEST = 120
"""Characters of a wish; longer texts describe."""
NEAR = float(np.cos(np.radians(45)))
"""Cosine of chroma and a hue, from which on a thing has that colour."""
LEAST_SPREAD = 0.12
"""Between the largest and the smallest channel of a colour; below it is a grey."""


def find_replacement(wish: str) -> KnownEdit | None:
    """Read a wish; None where it does not put one colour in the place of another."""
    plain = wish.lower()
    found = list(COLOUR.finditer(plain)) if len(wish) <= LONGEST else []
    if len(found) != 2 or found[0][1] == found[1][1] or not CHANGE.search(plain):
        return None
    first, second = found
    is_new_first = NEW_FIRST.search(plain) and not OLD_FIRST.search(plain)
    old, new = (second, first) if is_new_first else (first, second)
    following = plain[new.end() : second.start() if is_new_first else None]
    if is_new_first:
        following = NEW_FIRST.split(following)[0]
    if not AFTER_NEW.issuperset(re.findall(r"[a-z]+", following)):
        return None
    return KnownEdit(name=f"{old[1]} to {new[1]}", formulas=_formulas(old[1], new[1]), recolours=False)


def _formulas(old: str, new: str) -> tuple[Formula, ...]:
    """Keep the luma of what changes, or keep its largest and its smallest channel."""
    colour = np.array(HUES[new], np.float32)
    steps = (colour - colour.min()) / np.ptp(colour)

    def keep_luma(thumbs: Floats) -> Floats:
        return np.asarray((thumbs @ LUMA)[..., None] + np.ptp(thumbs, axis=-1, keepdims=True) * (steps - steps @ LUMA))

    def keep_range(thumbs: Floats) -> Floats:
        return np.asarray(thumbs.min(axis=-1, keepdims=True) + np.ptp(thumbs, axis=-1, keepdims=True) * steps)

    def only_old(change: Formula) -> Formula:
        return lambda thumbs: np.where(_has(thumbs, old), np.clip(change(thumbs), 0, 1), thumbs)

    return only_old(keep_range), only_old(keep_luma)


def _has(thumbs: Floats, name: str) -> NDArray[np.bool_]:
    """(..., 28, 28, 1): whether a cell has the colour."""
    colour = np.array(HUES[name], np.float32)
    wanted = colour - colour.mean()
    chroma = thumbs - thumbs.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(chroma, axis=-1) * np.linalg.norm(wanted)
    near = chroma @ wanted >= NEAR * lengths
    return np.asarray(near & (np.ptp(thumbs, axis=-1) >= LEAST_SPREAD))[..., None]
