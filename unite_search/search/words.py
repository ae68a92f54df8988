"""Read a query as a person types it: `"quoted words"` must occur, `-word` must not, the rest is looked for.

Text for the encoder is what is left without the marks and without what must not occur.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from unite_search.analyzer import terms

_QUOTES = '"“”„«»'
_MARKED = re.compile(
    rf"(?<!\S)(-?)(?:[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]"
    rf"|(?<=-)[{_QUOTES}]([^{_QUOTES}]+)\Z|(?<=-)([^\W\d_][^\s{_QUOTES}]*))(?!\S)"
)
"""A mark: quoted words, or a word behind a dash that does not begin with a digit, as numbers and sizes do.
Only behind a dash, quotes may stay open until the end: `5"` is a length."""
SHORTEST_CODE = 3
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "was",
        "were",
        "with",
    ]
)
"""Words that say nothing when a query has others; of a query that has nothing else they are looked for."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query.

    Attributes:
        terms: all terms to look for, in order.
        required: phrases that must occur.
        excluded: phrases that must not.
        codes: numbers of documents, names of camera files and the like, as phrases.
    """

    terms: tuple[str, ...] = ()
    required: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[tuple[str, ...], ...] = ()
    codes: tuple[tuple[str, ...], ...] = ()

    @property
    def telling(self) -> tuple[str, ...]:
        """The distinct terms without the stop words; all of them if there are no others."""
        distinct = tuple(dict.fromkeys(self.terms))
        return tuple(term for term in distinct if term not in STOP_WORDS) or distinct

    @property
    def is_label(self) -> bool:
        """Whether one word, which is neither a code nor quoted, is all that the query tells."""
        is_one = len({term for term in self.terms if term not in STOP_WORDS} or {*self.terms[:1]}) == 1
        return is_one and self.terms not in (*self.codes, *self.required)


NO_WORDS = Words()


def parse_all(texts: Iterable[str]) -> tuple[list[str], Words]:
    """Read the texts of a query; return what the encoder gets of each, and the words of all."""
    read = [parse(text) for text in texts]
    return [plain for plain, _ in read if plain], Words(
        tuple(term for _, words in read for term in words.terms),
        tuple(phrase for _, words in read for phrase in words.required),
        tuple(phrase for _, words in read for phrase in words.excluded),
        tuple(phrase for _, words in read for phrase in words.codes),
    )


def parse(text: str) -> tuple[str, Words]:
    """Read one text of a query; return what the encoder gets of it, and its words."""
    required, excluded = [], []
    kept, place = [], 0
    for mark in _MARKED.finditer(text):
        phrase = tuple(terms(next(text for text in mark.groups()[1:] if text is not None)))
        kept.append(text[place : mark.start()])
        place = mark.end()
        if mark.group(1):
            excluded += [phrase] if phrase else []
        else:
            required += [phrase] if phrase else []
            kept.append(mark.group(2))
    kept.append(text[place:])
    plain = " ".join("".join(kept).split())
    codes = [tuple(terms(word)) for word in plain.split() if _is_code(word)]
    return plain, Words(tuple(terms(plain)), tuple(required), tuple(excluded), tuple(filter(None, codes)))


def _is_code(word: str) -> bool:
    """Return whether a word is telling whatever else is asked: three characters or more, with a digit among them."""
    return len(word) >= SHORTEST_CODE and any(character.isdigit() for character in word)
