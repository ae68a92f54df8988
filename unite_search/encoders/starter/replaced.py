"""Recognise requests to replace one colour by another: "make the red parts blue", "green instead of yellow".

Such a request names two colours, tells which of them is replaced, and may name the thing that has the old colour. A
request to replace one thing by another ("a blue bus instead of the red car") is a swap, see `swaps.py`.
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
"""Words that may follow the new colour; any other word names a thing, so that the request asks for a thing."""
LONGEST = 120
"""Most characters of a request; longer texts are descriptions."""
NEAR = float(np.cos(np.radians(45)))
"""Least cosine between the chroma of a cell and a hue at which the cell has that colour."""
LEAST_SPREAD = 0.12
"""Least difference between the largest and the smallest channel of a colour; below it the colour is a grey."""


def find_replacement(request: str) -> KnownEdit | None:
    """Find the replacement of a colour that a request asks for; None if it asks for something else."""
    plain = request.lower()
    found = list(COLOUR.finditer(plain)) if len(request) <= LONGEST else []
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
    """Return two formulas: one keeps the largest and the smallest channel of changed cells, one keeps their luma."""
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
    """Return a mask (..., 28, 28, 1) of the cells that have the colour."""
    colour = np.array(HUES[name], np.float32)
    wanted = colour - colour.mean()
    chroma = thumbs - thumbs.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(chroma, axis=-1) * np.linalg.norm(wanted)
    near = chroma @ wanted >= NEAR * lengths
    return np.asarray(near & (np.ptp(thumbs, axis=-1) >= LEAST_SPREAD))[..., None]
