"""Captions with one word changed: any number of composed examples from captioned photos alone.

    a photo of "two dogs play in the snow"  +  "grass instead of snow"  ->  "two dogs play in the grass"

The answer is a text, so no photo of it is needed. A word is replaced by one that occurs between the same neighbours in
other captions, so that sentences stay plausible: "a man in a red shirt" and "a man in a blue shirt" make red and blue
exchangeable everywhere.

Source: Gu et al. 2024, "LinCIR", arXiv 2312.01998, trains composition on texts alone; Harris 1954, "Distributional
Structure", on words between the same neighbours.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from train.data.mine import LARGEST_GROUP, TRAIN_SENTENCES, content_words, is_trivial

REACH = 2
"""Number of words on either side that must be equal."""
FEWEST_PLACES = 3
"""Number of different neighbourhoods that two words must share."""
EACH = 5
"""Largest number of rewritten captions of a photo, over all its captions."""
SENTENCES = (
    *TRAIN_SENTENCES,
    "{new}, not {old}",
    "with {new}",
    "{new} this time",
    "the same scene with {new}",
    "the {old} becomes {new}",
    "but {new}",
    "take away {old} and add {new}",
    "what if it was {new}",
)

Partners = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A rewritten caption.

    Attributes:
        photo: position of the photo in the captions given.
        edit: the sentence that asks for the change.
        caption: a caption of that photo after the change.
    """

    photo: int
    edit: str
    caption: str


def rewrite(captions: Sequence[Sequence[str]], seed: int = 0) -> list[Rewritten]:
    """Change words in the captions of each photo; the same arguments give the same result.

    Args:
        captions: several captions of each photo.
        seed: seed of the choice of captions, words and sentences.
    """
    rng = np.random.default_rng(seed)
    partners = exchangeable(captions)
    return [
        _changed(photo, texts[number], old, partners[old], rng)
        for photo, texts in enumerate(captions)
        for number, old in _some(texts, partners, rng)
    ]


def exchangeable(captions: Sequence[Sequence[str]]) -> Partners:
    """Find the words that each word may be replaced by, with the number of neighbourhoods that the two share."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for text in (text for texts in captions for text in texts):
        words = ["", "", *content_words(text), "", ""]
        for place in range(REACH, len(words) - REACH):
            between = (*words[place - REACH : place], *words[place + 1 : place + 1 + REACH])
            found[between].add(words[place])
    counts: Counter[tuple[str, str]] = Counter()
    for between, group in found.items():
        if any(between) and len(group) <= LARGEST_GROUP:
            counts.update(permutations(group, 2))
    partners: Partners = defaultdict(dict)
    for (old, new), count in sorted(counts.items()):
        if count >= FEWEST_PLACES and not is_trivial(old, new):
            partners[old][new] = count
    return partners


def _some(texts: Sequence[str], partners: Partners, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Choose at most `EACH` words of the captions, each with the number of its caption."""
    places = [
        (number, word)
        for number, text in enumerate(texts)
        for word in dict.fromkeys(content_words(text))
        if word in partners
    ]
    return [places[place] for place in rng.permutation(len(places))[:EACH]]


def _changed(photo: int, text: str, old: str, partners: dict[str, int], rng: np.random.Generator) -> Rewritten:
    weights = np.sqrt(list(partners.values()))
    new = str(rng.choice(list(partners), p=weights / weights.sum()))
    caption = re.sub(rf"\b{re.escape(old)}\b", new, text.lower())
    return Rewritten(photo, str(rng.choice(SENTENCES)).format(old=old, new=new), caption)
