"""Fuse the parts of one content to one vector.

A vector is five weighted blocks side by side, so that the score of two vectors is a weighted sum of block cosines:

    learned 256      output of the trained head for all parts together, see `head.py`
    semantic 384     the subject: class mix of pictures, sentence vector of texts
    appearance 128   projected features of the classifier; zero for texts
    colour 125       histogram of colours; zero for texts
    layout 48        positions of the colours; zero for texts

The head was trained on photos and captions of everyday scenes. The class mix covers the thousand classes of ImageNet,
and the colours and layout after an edit are computed by its formulas: neither depends on the training of the head.

All candidates have the same weights. The weights of a query depend on what it asks for: a picture alone asks for its
subject, a picture with an edit for the same picture in other colours or another orientation (at night with less weight
on layout, because the sky is then no longer the bright part), a picture with a swap for a mix of both subjects. A text
alone that names an edit of colours ("at night", "in black and white") asks for these colours too: they are estimated by
applying the edit to shades of grey. A text that is close to the name of an ImageNet class gives the class mix more
weight than the head.

The target competes with the same picture after other edits, so a query exaggerates its edit. A picture with words that
are neither an edit nor a swap is encoded by late fusion, `fused_late`: the head does no better for words whose meaning
it has not learned.
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
    """The weight of each block."""

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
LEAST_NAME_SCORE, FULL_NAME_SCORE = 0.65, 0.85
"""A text between the two mixes the weights of a name and of a sentence: 19 of 20 captions score below 0.65, 19 of 20
class names above 0.8."""
LATE_TEXT_WEIGHT = 0.65
"""Weight of the text in late fusion, which found most edited train photos, see `train/starter/composed_recall.py`."""
EXAGGERATION = 1.5
"""Factor of the step from the colours of the picture to those of the edited picture; above 1 it goes beyond them."""
LEAST_CERTAINTY = 0.5
"""Least certainty of an edit at which a text alone asks for its colours."""
LEAST_LENGTH = 0.1
TEXT_SHARE = 0.5
"""Weight of the words in the subject of a content that has both pictures and words."""

SHADES_OF_GREY = np.tile(np.linspace(0, 1, THUMBNAIL_SIDE, dtype=np.float32)[:, None, None], (1, 1, THUMBNAIL_SIDE, 3))


class Picture(NamedTuple):
    """An image (F = 1) or the frames of a clip.

    `semantic` is (F, 384), `appearance` (F, 128), `thumbs` (F, 28, 28, 3), and `features` (1664,) is the mean over the
    frames, for the head.
    """

    semantic: Floats
    appearance: Floats
    thumbs: Floats
    features: Floats


class Words(NamedTuple):
    """A text.

    `semantic` is (384,), `embedding` (384,) is the output of the text tower, `name_score` the largest cosine with a
    class name (-1..1), `edit` and `swap` are what the text asks for, if anything, and `certainty` (0..1) is that
    of the edit.
    """

    semantic: Floats
    embedding: Floats
    name_score: float
    edit: KnownEdit | None
    swap: Swap | None
    certainty: float


class Parts(NamedTuple):
    """The parts of one content, at least one.

    `learned` (256,) is the output of the head for all parts together. `edits` have yet to be applied to the thumbnails;
    the words that asked for them are not among `words`.
    """

    pictures: Sequence[Picture]
    words: Sequence[Words]
    learned: Floats
    edits: Sequence[KnownEdit] = ()


def fuse(parts: Parts, role: Role) -> Floats:
    """Fuse the parts of a content to one unit vector (D,)."""
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
    """Return the weights of the blocks of a content that has pictures."""
    if role == "candidate":
        return CANDIDATE
    if edits:
        return NIGHT_QUERY if any(edit.name == "night" for edit in edits) else EDIT_QUERY
    return MIXED_QUERY if has_words else PICTURE_QUERY


def _text_vector(parts: Parts, role: Role) -> Floats:
    """Fuse the parts of a content without pictures; a query may ask for the colours of an edit."""
    subject = _mean([word.semantic for word in parts.words])
    appearance, colours, layout = (np.zeros(dim, np.float32) for dim in (APPEARANCE_DIM, COLOUR_DIM, LAYOUT_DIM))
    weights = _name_weights(parts.words) if role == "query" else TEXT
    certain = [word.edit for word in parts.words if word.edit and word.certainty >= LEAST_CERTAINTY]
    edits = [edit for edit in certain if edit.recolours]
    if edits and role == "query":
        weights, colours = COLOUR_WORDS_QUERY, _edited(colour_block, SHADES_OF_GREY, edits, 1)
    return _joined(weights, (parts.learned, subject, appearance, colours, layout))


def _name_weights(words: Sequence[Words]) -> Weights:
    """Return the weights of a text query; the higher its name score, the more weight the class mix has."""
    score = max(word.name_score for word in words)
    share = min(max((score - LEAST_NAME_SCORE) / (FULL_NAME_SCORE - LEAST_NAME_SCORE), 0), 1)
    return Weights(*(share * name + (1 - share) * text for name, text in zip(NAME_QUERY, TEXT, strict=True)))


def _joined(weights: Weights, blocks: Sequence[Floats]) -> Floats:
    return unit_rows(np.concatenate([weight * block for weight, block in zip(weights, blocks, strict=True)]))


def _edited(block: Block, thumbs: Floats, edits: Sequence[KnownEdit], exaggeration: float) -> Floats:
    """Return the mean block of thumbnails after all edits in turn, moved further away from the block before them."""
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
    """Return the mean direction of (M, D) rows; a single row is returned unchanged, rows that cancel out stay short."""
    if len(rows) == 1:
        return rows[0]
    mean = np.mean(rows, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), LEAST_LENGTH), np.float32)
