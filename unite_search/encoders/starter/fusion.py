"""How the parts of one content become one vector.

A vector is five weighted blocks side by side, so that the score of two vectors is a weighted sum of block cosines:

    learned 256      what the trained head makes of all parts together, see `head.py`
    semantic 384     what is shown or said: class mix of pictures, sentence vector of texts
    appearance 128   what pictures look like to the classifier; zero for texts
    colour 125       which colours; zero for texts
    layout 48        where the colours are; zero for texts

The head learned from photos and captions of everyday scenes; the class mix knows a thousand things by name, and colours
and layout follow from an edit by arithmetic: neither has to be learned, and neither can be forgotten.

Candidates always weigh alike. Queries weigh by what they ask for: a picture alone asks for its subject, a picture with
an edit for the same picture in other colours (at night also in another light, for then the sky is no longer its bright
part), a picture with other words for a mix of both subjects. A text alone that names colours as an edit does ("at
night", "in black and white") asks for them too: for what the edit makes of greys. A text that is nearly the name of an
ImageNet class trusts the class mix more than the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unite_search.encoders.base import Role
from unite_search.encoders.starter.conse import unit
from unite_search.encoders.starter.descriptor import COLOUR_DIM, LAYOUT_DIM, THUMBNAIL_SIDE, colour_block, layout_block
from unite_search.encoders.starter.edits import Edit, flip, night
from unite_search.encoders.starter.head import DIM as LEARNED_DIM
from unite_search.encoders.starter.swaps import Swap

Floats = NDArray[np.float32]

SEMANTIC_DIM, APPEARANCE_DIM = 384, 128
DIM = LEARNED_DIM + SEMANTIC_DIM + APPEARANCE_DIM + COLOUR_DIM + LAYOUT_DIM


class Weights(NamedTuple):
    """The share of each block."""

    learned: float
    semantic: float
    appearance: float
    colour: float
    layout: float


TEXT = Weights(1.0, 0.35, 0.0, 0.0, 0.0)
NAME_QUERY = Weights(1.0, 2.0, 0.0, 0.0, 0.0)
CANDIDATE = Weights(1.0, 0.6, 0.4, 0.5, 0.5)
PICTURE_QUERY = Weights(1.0, 0.1, 0.4, 0.1, 0.1)
EDIT_QUERY = Weights(0.4, 0.3, 0.3, 0.8, 0.8)
NIGHT_QUERY = EDIT_QUERY._replace(layout=0.2)
MIXED_QUERY = Weights(1.0, 0.2, 0.2, 0.05, 0.05)
COLOUR_WORDS_QUERY = Weights(1.0, 0.35, 0.0, 0.7, 0.0)
LEAST_NAMENESS, FULL_NAMENESS = 0.65, 0.85
"""A text between the two is a bit of both, a name and a sentence: 19 of 20 captions are below 0.65, 19 of 20 names of
classes above 0.8."""
LEAST_LENGTH = 0.1
TEXT_SHARE = 0.5
"""Of the subject of a content that has both pictures and words."""

SHADES_OF_GREY = np.tile(np.linspace(0, 1, THUMBNAIL_SIDE, dtype=np.float32)[:, None, None], (1, 1, THUMBNAIL_SIDE, 3))


class Picture(NamedTuple):
    """An image (F = 1) or the frames of a clip.

    `semantic` (F, 384), `appearance` (F, 128), `thumbs` (F, 28, 28, 3), and for the head the mean of the frames'
    `features` (1664,).
    """

    semantic: Floats
    appearance: Floats
    thumbs: Floats
    features: Floats


class Words(NamedTuple):
    """A text.

    `semantic` (384,), its plain `embedding` (384,), how near it is to the name of a class (-1..1), and the edit and the
    swap that it asks for, if it asks for one.
    """

    semantic: Floats
    embedding: Floats
    nameness: float
    edit: Edit | None
    swap: Swap | None


class Parts(NamedTuple):
    """The parts of one content, at least one, and what the head makes of them together, (256,)."""

    pictures: Sequence[Picture]
    words: Sequence[Words]
    learned: Floats


def fuse(parts: Parts, role: Role) -> Floats:
    """Make one unit vector (D,) of a content."""
    pictures, words, learned = parts
    edits = [word.edit for word in words if word.edit] if role == "query" else []
    if not pictures:
        return _text_vector(parts, edits, role)
    said = [word.semantic for word in words if word.edit not in edits]
    subject = _mean([_mean(picture.semantic) for picture in pictures])
    if said:
        subject = unit((1 - TEXT_SHARE) * subject + TEXT_SHARE * _mean(said))
    thumbs = [_edited(picture.thumbs, edits) for picture in pictures]
    blocks = (
        learned,
        subject,
        _mean([_mean(picture.appearance) for picture in pictures]),
        _mean([_mean(colour_block(frames)) for frames in thumbs]),
        _mean([_mean(layout_block(frames)) for frames in thumbs]),
    )
    return _joined(_weights(role, edits, has_words=bool(said)), blocks)


def _weights(role: Role, edits: Sequence[Edit], *, has_words: bool) -> Weights:
    if role == "candidate":
        return CANDIDATE
    if edits:
        return NIGHT_QUERY if night in edits else EDIT_QUERY
    return MIXED_QUERY if has_words else PICTURE_QUERY


def _text_vector(parts: Parts, edits: Sequence[Edit], role: Role) -> Floats:
    subject = _mean([word.semantic for word in parts.words])
    appearance, colours, layout = (np.zeros(dim, np.float32) for dim in (APPEARANCE_DIM, COLOUR_DIM, LAYOUT_DIM))
    weights = _name_weights(parts.words) if role == "query" else TEXT
    if any(edit is not flip for edit in edits):
        weights, colours = COLOUR_WORDS_QUERY, _mean(colour_block(_edited(SHADES_OF_GREY, edits)))
    return _joined(weights, (parts.learned, subject, appearance, colours, layout))


def _name_weights(words: Sequence[Words]) -> Weights:
    """Of a query in words: the nearer to the name of a class, the more the classifier is trusted."""
    nameness = max(word.nameness for word in words)
    share = min(max((nameness - LEAST_NAMENESS) / (FULL_NAMENESS - LEAST_NAMENESS), 0), 1)
    return Weights(*(share * name + (1 - share) * text for name, text in zip(NAME_QUERY, TEXT, strict=True)))


def _joined(weights: Weights, blocks: Sequence[Floats]) -> Floats:
    return unit(np.concatenate([weight * block for weight, block in zip(weights, blocks, strict=True)]))


def _edited(thumbs: Floats, edits: Sequence[Edit]) -> Floats:
    for edit in edits:
        thumbs = edit(thumbs)
    return thumbs


def _mean(rows: Sequence[Floats] | Floats) -> Floats:
    """The mean direction of (M, D) rows; one row is left as it is, rows that cancel out stay short."""
    if len(rows) == 1:
        return rows[0]
    mean = np.mean(rows, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), LEAST_LENGTH), np.float32)
