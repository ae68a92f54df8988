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
an edit for the same picture in other colours or another way up (at night also in another light, for then the sky is no
longer its bright part), a picture with a swap for a mix of both subjects. A text alone that names colours as an edit
does ("at night", "in black and white") asks for them too: for what the edit makes of greys. A text that is nearly the
name of an ImageNet class trusts the class mix more than the head.

The wanted picture competes with the same picture after other edits, so a query exaggerates what its edit does. A
picture with words that are neither an edit nor a swap is late fusion, `fused_late`: a head that has not learned what
the words mean cannot do better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.unit import unit_rows
from unite_search.encoders.base import Role
from unite_search.encoders.starter.descriptor import COLOUR_DIM, LAYOUT_DIM, THUMBNAIL_SIDE, colour_block, layout_block
from unite_search.encoders.starter.edits import KnownEdit
from unite_search.encoders.starter.head import DIM as LEARNED_DIM
from unite_search.encoders.starter.swaps import Swap

Floats = NDArray[np.float32]
Block = Callable[[Floats], Floats]

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
EDIT_QUERY = Weights(0.3, 0.1, 0.4, 1.0, 1.0)
NIGHT_QUERY = EDIT_QUERY._replace(layout=0.2)
MIXED_QUERY = Weights(1.0, 0.2, 0.2, 0.05, 0.05)
COLOUR_WORDS_QUERY = Weights(1.0, 0.35, 0.0, 0.7, 0.0)
LEAST_NAMENESS, FULL_NAMENESS = 0.65, 0.85
"""A text between the two is a bit of both, a name and a sentence: 19 of 20 captions are below 0.65, 19 of 20 names of
classes above 0.8."""
LATE_TEXT_WEIGHT = 0.65
"""Of late fusion: the weight that found most edited train photos, see `train/starter/composed_recall.py`."""
EXAGGERATION = 1.5
"""How far a query goes from the colours of its picture to those of the edited one, and beyond them."""
LEAST_CERTAINTY = 0.5
"""Of an edit, for a text alone to ask for its colours."""
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

    `semantic` (384,), its plain `embedding` (384,), how near it is to the name of a class (-1..1), the edit and the
    swap that it asks for, if it asks for one, and how certain it is (0..1) that it asks for the edit.
    """

    semantic: Floats
    embedding: Floats
    nameness: float
    edit: KnownEdit | None
    swap: Swap | None
    certainty: float


class Parts(NamedTuple):
    """The parts of one content, at least one, what the head makes of them together, (256,), and edits of the pictures.

    The `edits` are those that the thumbnails have yet to undergo; the words that asked for them are not among `words`.
    """

    pictures: Sequence[Picture]
    words: Sequence[Words]
    learned: Floats
    edits: Sequence[KnownEdit] = ()


def fuse(parts: Parts, role: Role) -> Floats:
    """Make one unit vector (D,) of a content."""
    pictures, words, learned, edits = parts
    if not pictures:
        return _text_vector(parts, role)
    subject = _mean([_mean(picture.semantic) for picture in pictures])
    if words:
        said = _mean([word.semantic for word in words])
        subject = unit_rows((1 - TEXT_SHARE) * subject + TEXT_SHARE * said)
    blocks = (
        learned,
        subject,
        _mean([_mean(picture.appearance) for picture in pictures]),
        _mean([_edited(colour_block, picture.thumbs, edits, EXAGGERATION) for picture in pictures]),
        _mean([_edited(layout_block, picture.thumbs, edits, 1) for picture in pictures]),
    )
    return _joined(_weights(role, edits, has_words=bool(words)), blocks)


def fused_late(pictures: Floats, texts: Floats) -> Floats:
    """Fuse (N, D) vectors of pictures and of texts, so that a score is the weighted sum of their scores."""
    return unit_rows((1 - LATE_TEXT_WEIGHT) * pictures + LATE_TEXT_WEIGHT * texts)


def _weights(role: Role, edits: Sequence[KnownEdit], *, has_words: bool) -> Weights:
    if role == "candidate":
        return CANDIDATE
    if edits:
        return NIGHT_QUERY if any(edit.name == "night" for edit in edits) else EDIT_QUERY
    return MIXED_QUERY if has_words else PICTURE_QUERY


def _text_vector(parts: Parts, role: Role) -> Floats:
    subject = _mean([word.semantic for word in parts.words])
    appearance, colours, layout = (np.zeros(dim, np.float32) for dim in (APPEARANCE_DIM, COLOUR_DIM, LAYOUT_DIM))
    weights = _name_weights(parts.words) if role == "query" else TEXT
    certain = [word.edit for word in parts.words if word.edit and word.certainty >= LEAST_CERTAINTY]
    edits = [edit for edit in certain if edit.recolours]
    if edits and role == "query":
        weights, colours = COLOUR_WORDS_QUERY, _edited(colour_block, SHADES_OF_GREY, edits, 1)
    return _joined(weights, (parts.learned, subject, appearance, colours, layout))


def _name_weights(words: Sequence[Words]) -> Weights:
    """Of a query in words: the nearer to the name of a class, the more the classifier is trusted."""
    nameness = max(word.nameness for word in words)
    share = min(max((nameness - LEAST_NAMENESS) / (FULL_NAMENESS - LEAST_NAMENESS), 0), 1)
    return Weights(*(share * name + (1 - share) * text for name, text in zip(NAME_QUERY, TEXT, strict=True)))


def _joined(weights: Weights, blocks: Sequence[Floats]) -> Floats:
    return unit_rows(np.concatenate([weight * block for weight, block in zip(weights, blocks, strict=True)]))


def _edited(block: Block, thumbs: Floats, edits: Sequence[KnownEdit], exaggeration: float) -> Floats:
    """The mean block of thumbnails after edits, moved away from the block before them; several edits go one by one."""
    before = _mean(block(thumbs))
    if not edits:
        return before
    ways = []
    for number in range(max(len(edit.formulas) for edit in edits)):
        changed = thumbs
        for edit in edits:
            changed = edit.formulas[number % len(edit.formulas)](changed)
        ways.append(_mean(block(changed)))
    return unit_rows(before + exaggeration * (_mean(ways) - before))


def _mean(rows: Sequence[Floats] | Floats) -> Floats:
    """The mean direction of (M, D) rows; one row is left as it is, rows that cancel out stay short."""
    if len(rows) == 1:
        return rows[0]
    mean = np.mean(rows, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), LEAST_LENGTH), np.float32)
