"""Mine composed triplets from captions: two photos whose captions differ in one word, and a sentence that says how.

    a dog runs on the beach  +  "put a horse in place of the dog"  ->  a horse runs on the beach

Every pair is used in both directions. Uninformative pairs are left out: the same photo, plural and singular, synonyms,
function words, and captions too short to describe one scene. Triplets never mix splits, because each call is given the
captions of one split.

Source: Ventura et al. 2024, "CoVR", arXiv 2308.14746, section 3, for captions of videos; there a language model wrote
the sentences, here they are templates.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

FEWEST_WORDS = 4
"""Number of content words that a caption must have besides the one that changes."""
MOST_OF_A_WORD_PAIR = 12
"""Largest number of triplets of one pair of words; otherwise "man" and "woman" would be a third of all."""
LARGEST_GROUP = 40
"""Gaps with more fillers than this are ignored."""

ARTICLES = frozenset({"a", "an", "the"})
_GRAMMAR = """
    some is are be was while and or of to with by as it its his her their this that there who which what has have
    in on at into onto from up down over under off out through near next for another other two three four five one
    several many few very also just being been something someone
"""
GRAMMAR = frozenset(_GRAMMAR.split())
SAME_THING = tuple(
    frozenset(group.split())
    for group in (
        "man guy male gentleman person someone",
        "woman lady female person someone",
        "child kid toddler boy girl baby person",
        "men people guys persons adults",
        "women people ladies",
        "children kids people toddlers",
        "dog puppy animal",
        "dogs puppies animals",
        "photo picture image",
        "big large huge",
        "small little tiny young",
        "run running runs jogs jogging",
        "jump jumping jumps leap leaping leaps bounce bouncing bounces",
        "walk walking walks",
        "stand standing stands",
        "sit sitting sits seated",
        "play playing plays",
        "ocean sea water",
        "street road",
        "grass field lawn",
        "bike bicycle",
        "rock boulder",
        "gray grey",
    )
)
TRAIN_SENTENCES = (
    "replace the {old} with {new}",
    "{new} instead of {old}",
    "change {old} to {new}",
    "the same but with {new}",
    "not {old} but {new}",
    "make it {new}",
)
DEV_SENTENCES = (
    "swap the {old} for {new}",
    "I want {new} here rather than {old}",
    "now show {new}, no {old}",
    "turn {old} into {new}",
)


@dataclass(frozen=True, slots=True)
class Triplet:
    """A photo, an edit in words, and the photo that is the answer.

    Attributes:
        reference: position of the first photo in the captions given.
        target: position of the photo that shows the change.
        edit: the sentence that asks for the change.
        described: the target's caption in lower case, without articles.
    """

    reference: int
    target: int
    edit: str
    described: str


def mine(captions: Sequence[Sequence[str]], sentences: Sequence[str], seed: int = 0) -> list[Triplet]:
    """Find triplets; the same arguments give the same result.

    Args:
        captions: several captions of each photo.
        sentences: templates with {old} and {new}.
        seed: seed of the choice of sentences, and of pairs where there are too many.

    Returns:
        Triplets; a pair of photos occurs once for each pair of words.
    """
    rng = np.random.default_rng(seed)
    by_words: dict[tuple[str, str], dict[tuple[int, int], str]] = defaultdict(dict)
    for sentence, (reference, old), (target, new) in _pairs(captions):
        described = " ".join(word or new for word in sentence)
        by_words[old, new].setdefault((reference, target), described)
    return [
        Triplet(*photos, str(rng.choice(sentences)).format(old=old, new=new), found[photos])
        for (old, new), found in sorted(by_words.items())
        for photos in _some(sorted(found), rng)
    ]


def content_words(caption: str) -> tuple[str, ...]:
    """Return the words of a caption in lower case, without punctuation and articles."""
    return tuple(word for word in re.findall(r"[a-z]+(?:-[a-z]+)*", caption.lower()) if word not in ARTICLES)


def is_trivial(old: str, new: str) -> bool:
    """Return whether replacing one word by the other changes nothing that a picture shows."""
    if {old, new} & GRAMMAR or any({old, new} <= group for group in SAME_THING):
        return True
    return _stem(old) == _stem(new)


def _stem(word: str) -> str:
    """Strip English endings, well enough to map "dogs", "running" and "jumped" to "dog", "run" and "jump"."""
    stem = re.sub(r"(ing|ed|es|s|y|ies)$", "", word)
    return re.sub(r"(.)\1$", r"\1", stem)


def _pairs(captions: Sequence[Sequence[str]]) -> Iterator[tuple[tuple[str, ...], tuple[int, str], tuple[int, str]]]:
    """Yield sentences with a gap, written as an empty word, and ordered pairs of (photo, word) that fill it."""
    gaps: dict[tuple[str, ...], set[tuple[int, str]]] = defaultdict(set)
    for photo, texts in enumerate(captions):
        for words in map(content_words, texts):
            if len(words) > FEWEST_WORDS:
                for place, word in enumerate(words):
                    sentence = (*words[:place], "", *words[place + 1 :])
                    gaps[sentence].add((photo, word))
    for sentence, group in gaps.items():
        if 1 < len(group) <= LARGEST_GROUP:
            for one, other in permutations(sorted(group), 2):
                if one[0] != other[0] and not is_trivial(one[1], other[1]):
                    yield sentence, one, other


def _some(pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    if len(pairs) <= MOST_OF_A_WORD_PAIR:
        return pairs
    return [pairs[number] for number in sorted(rng.choice(len(pairs), MOST_OF_A_WORD_PAIR, replace=False))]
