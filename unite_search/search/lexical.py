"""Lexical evidence: which items hold the words of a query, and how much that says for them.

The weight of a word is that of BM25: a word that few items hold says much, one that many hold says little. The words of
one query are not independent, so their sum is divided by the square root of their number. An item that holds the whole
query, word for word, is an *exact* match, if that is telling: several words, or a code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unite_search.analyzer import FIELD_BREAK, contains, singular
from unite_search.search.words import Words
from unite_search.storage.full_text import FUZZY_FROM_CHARACTERS, FullText, Matches

CANDIDATES = 200
"""Items that are looked at because of their words."""
MISSPELT_SHARE = 0.7
"""What a word counts that is only similar to that of the query."""
EXACT_BONUS = 20.0
"""Added to the log-odds of an exact match, so that it comes before everything that is not one."""
MOST_EXACT = 50
"""If more items hold the whole query than this, holding it says little, and none is called exact."""


@dataclass(slots=True)
class Lexical:
    """What the words of a query say of items, by id.

    Attributes:
        log_odds: evidence in favour of an item.
        exact: items that hold the whole query.
        partitions: the partition of each item.
    """

    log_odds: dict[int, float] = field(default_factory=dict)
    exact: set[int] = field(default_factory=set)
    partitions: dict[int, str] = field(default_factory=dict)

    def of(self, id_: int) -> float:
        """Return the evidence for an item."""
        return self.log_odds.get(id_, 0.0) + (EXACT_BONUS if id_ in self.exact else 0.0)


def lexical_evidence(index: FullText, words: Words, where: str | None, sizes: Mapping[str, int]) -> Lexical:
    """Look the words of a query up.

    Args:
        index: the full-text index.
        words: the query.
        where: SQL expression that the items must match.
        sizes: number of items by partition; a word of a text is as rare as it is among the items that have one.
    """
    telling, found = words.telling, Lexical()
    if not telling:
        return found
    weigh = _Weighing(telling, sizes)
    forms = list(weigh.forms)
    some = index.match(forms, CANDIDATES, where)
    _add(found, some, weigh)
    if len(words.terms) > 1:
        every = index.match_all(words.terms, CANDIDATES, where)
        _add(found, every, weigh)
        _mark_exact(found, every, words.terms)
    elif _is_code(words.terms[0]):
        _mark_exact(found, some, words.terms)
    known = {term for text in some.words for term in text.split()}
    for term in telling:
        if term not in known and len(term) >= FUZZY_FROM_CHARACTERS:
            _add(found, index.similar_terms(term, CANDIDATES, where), weigh, MISSPELT_SHARE)
    return found


class _Weighing:
    """Turns BM25 scores into evidence."""

    def __init__(self, telling: Sequence[str], sizes: Mapping[str, int]) -> None:
        self.forms = frozenset([*telling, *map(singular, telling)])
        self._weight = 1 / np.sqrt(len(telling))
        with_text = sum(size for name, size in sizes.items() if "text" in name)
        self._too_rare = float(np.log(sum(sizes.values()) / with_text)) if with_text else 0.0

    def of(self, score: float, text: str) -> float:
        """Return the evidence of a row, given its BM25 score and its words."""
        in_text = self.forms.intersection(text.split(f" {FIELD_BREAK} ", 1)[0].split())
        return float(self._weight * max(0.0, score - len(in_text) * self._too_rare))


def _add(found: Lexical, matches: Matches, weigh: _Weighing, share: float = 1.0) -> None:
    rows = zip(matches.ids.tolist(), matches.partitions, matches.scores.tolist(), matches.words, strict=True)
    for id_, partition, score, text in rows:
        found.log_odds[id_] = max(found.log_odds.get(id_, 0.0), share * weigh.of(score, text))
        found.partitions[id_] = partition


def _mark_exact(found: Lexical, matches: Matches, phrase: Sequence[str]) -> None:
    exact = [id_ for id_, text in zip(matches.ids.tolist(), matches.words, strict=True) if _holds(text, phrase)]
    if len(exact) <= MOST_EXACT:
        found.exact.update(exact)


def _holds(text: str, phrase: Sequence[str]) -> bool:
    return any(contains(run.split(), phrase) for run in text.split(f" {FIELD_BREAK} "))


def _is_code(term: str) -> bool:
    """Return whether a term alone is telling: it has a digit, as codes and the names of camera files have."""
    return len(term) > 2 and any(character.isdigit() for character in term)
