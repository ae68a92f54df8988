"""Measure queries of one word on plain photos: as typed, with an article, in the plural, in capitals.

A photo is right for a word if two of its five captions hold the word or its plural. The labels of
`benchmarks.quality.retrieval` are asked for as well, with the measure used there: one of the five captions is enough,
and the first five hits count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.photos import Captioned
from benchmarks.indexers.speed import at_least
from benchmarks.quality.answers.library import DATABASE, Setting, ask
from benchmarks.quality.retrieval import LABEL_DEPTH, LABELS
from unite_search.collection import Collection

_IRREGULAR = {"man": "men", "woman": "women", "child": "children", "person": "people", "baby": "babies"}
_WITH_ES = ("beach", "bench", "couch", "bus")
_WITH_S: tuple[str, ...] = (
    *("dog", "boy", "girl", "bike", "bicycle", "car", "horse", "bird", "ball", "tree", "mountain", "rock", "street"),
    *("field", "pool", "river", "ocean", "lake", "boat", "hat", "shirt", "fence", "swing", "skateboard", "player"),
    *("building", "motorcycle", "rider", "racer", "hill", "stick", "toy", "wave", "crowd", "guitar", "snowboard"),
)
WORDS: dict[str, str] = {
    **_IRREGULAR,
    **{word: f"{word}es" for word in _WITH_ES},
    **{word: f"{word}s" for word in _WITH_S},
}
"""Words that captions of the dev photos hold, with their plurals."""
LEAST_CAPTIONS = 2
LEAST_PHOTOS = 5
"""Words that fewer photos are right for are left out."""
DEPTH = 20


def run(setting: Setting) -> dict[str, Any]:
    """Measure every form of every word, and the labels."""
    photos = setting.photos("dev")
    folder = setting.plain("dev", photos)
    right = right_names(photos)
    asked = [word for word in WORDS if len(right[word]) >= LEAST_PHOTOS]
    with Collection.open(folder / DATABASE, encoder=setting.encoder) as collection:
        by_word = {
            word: {form: _right_ones(collection, text, right[word]) for form, text in forms(word).items()}
            for word in asked
        }
        labels = {form: _label_precision(collection, photos, form) for form in ("bare", "with an article")}
    sums = {form: sum(row[form] for row in by_word.values()) for form in forms("word")}
    return {
        "photos": len(photos),
        "words": len(asked),
        "depth": DEPTH,
        "most_possible": sum(min(DEPTH, len(right[word])) for word in asked),
        "right_ones": sums,
        "bare_minus_with_an_article": at_least(0, sums["bare"] - sums["with an article"]),
        "by_word": {word: {"photos": len(right[word]), **row} for word, row in by_word.items()},
        "labels": {"labels": len(LABELS), f"precision_at_{LABEL_DEPTH}": labels},
    }


def right_names(photos: Sequence[Captioned]) -> dict[str, frozenset[str]]:
    """Return for each word the names of the photos that are right for it."""
    return {
        word: frozenset(photo.path.name for photo in photos if mentions(photo, (word, plural)) >= LEAST_CAPTIONS)
        for word, plural in WORDS.items()
    }


def forms(word: str) -> dict[str, str]:
    """Return the forms in which a word is asked for."""
    return {
        "bare": word,
        "with an article": with_article(word),
        "plural": WORDS.get(word, f"{word}s"),
        "capitals": word.upper(),
    }


def with_article(word: str) -> str:
    """Return a word behind `a` or `an`."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def mentions(photo: Captioned, words: Sequence[str]) -> int:
    """Return how many captions of a photo hold one of the words."""
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    return sum(bool(pattern.search(caption.lower())) for caption in photo.captions)


def _right_ones(collection: Collection, text: str, right: frozenset[str], depth: int = DEPTH) -> int:
    return sum(Path(hit.uri).name in right for hit in ask(collection, text, k=depth).hits)


def _label_precision(collection: Collection, photos: Sequence[Captioned], form: str) -> float:
    """Return P@5 of the labels in percent. The article is `a` for all of them, as in `benchmarks.quality.retrieval`."""
    shares = []
    for label in LABELS:
        names = (label, f"{label}s", f"{label}es")
        right = frozenset(photo.path.name for photo in photos if mentions(photo, names))
        text = label if form == "bare" else f"a {label}"
        shares.append(_right_ones(collection, text, right, LABEL_DEPTH) / LABEL_DEPTH)
    return round(100 * float(np.mean(shares)), 1)
