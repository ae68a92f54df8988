"""Lexical evidence: which items hold the words of a query, and how much that says for them.

The vector of a query was made from the same words, so a word adds to it what the vector does not say. Of common words
that is little; of a rare one, which the encoder may never have seen, it is much. With n of N items holding a word, its
weight is

    rarity * (rarity / log N) ** RARENESS,    rarity = log(N / n)

which is log N for a word that one item holds. The words of a query are not independent, so their sum is divided by the
square root of their number. A word of a caption or passage is as rare as it is among the items that have a text.

An item that holds the whole query word for word, or a code of it, is an *exact* match and comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unite_search.analyzer import FIELD_BREAK, contains, singular
from unite_search.search.words import Words
from unite_search.storage.full_text import FUZZY_FROM_CHARACTERS, FullText, Matches

RARENESS = 1.0
"""How much more a rare word says than a common one."""
CANDIDATES = 200
"""Items that are looked at because of their words."""
MISSPELT_WEIGHT = 0.7
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
        sizes: number of items by partition.
    """
    found = Lexical()
    if not words.telling:
        return found
    weighing = _Weighing(index, words.telling, sizes)
    some = index.match(weighing.forms, CANDIDATES, where)
    weighing.add(found, some)
    if len(words.terms) > 1:
        every = index.match_all(words.terms, CANDIDATES, where)
        weighing.add(found, every)
        _mark_exact(found, every, words.terms)
    for code in words.codes:
        holders = index.match_all(code, CANDIDATES, where)
        weighing.add(found, holders)
        _mark_exact(found, holders, code)
    for term in weighing.unknown:
        similar = index.similar_terms(term, CANDIDATES, where)
        _add_similar(found, similar, weighing.share * MISSPELT_WEIGHT)
    return found


class _Weighing:
    """The weights of the words of a query.

    Attributes:
        forms: all terms to look for, with the singulars of plurals.
        unknown: words that no item holds, and that are long enough to be misspelt ones.
        share: what the weights are multiplied by.
    """

    def __init__(self, index: FullText, telling: Sequence[str], sizes: Mapping[str, int]) -> None:
        forms = {term: {term, singular(term)} for term in telling}
        counts = {term: max(map(index.frequency, names)) for term, names in forms.items()}
        everything = sum(sizes.values())
        with_text = sum(size for name, size in sizes.items() if "text" in name)
        self.forms = sorted(set().union(*forms.values()))
        self.unknown = [term for term in telling if not counts[term] and len(term) >= FUZZY_FROM_CHARACTERS]
        self.share = 1 / np.sqrt(len(telling))
        self._weights = [
            (forms[term], _weight(counts[term], with_text), _weight(counts[term], everything)) for term in telling
        ]

    def add(self, found: Lexical, matches: Matches) -> None:
        """Add the evidence of some rows."""
        for id_, partition, text in zip(matches.ids.tolist(), matches.partitions, matches.words, strict=True):
            found.partitions[id_] = partition
            found.log_odds[id_] = max(found.log_odds.get(id_, 0.0), self._of(text))

    def _of(self, text: str) -> float:
        first, _, rest = text.partition(f" {FIELD_BREAK} ")
        in_text, elsewhere = set(first.split()), set(rest.split())
        weights = (
            of_text if in_text & forms else of_all if elsewhere & forms else 0.0
            for forms, of_text, of_all in self._weights
        )
        return float(self.share) * sum(weights)


def _weight(holding: int, items: int) -> float:
    """Return the weight of a word that some of the items hold."""
    if items < 2:
        return 0.0
    rarity = max(0.0, float(np.log((items + 1) / (holding + 0.5))))
    return rarity * (rarity / float(np.log(items + 1))) ** RARENESS


def _add_similar(found: Lexical, matches: Matches, weight: float) -> None:
    """Add the evidence of rows with a word that is only similar; BM25 tells how rare and how similar it is."""
    for id_, partition, score in zip(matches.ids.tolist(), matches.partitions, matches.scores.tolist(), strict=True):
        found.partitions[id_] = partition
        found.log_odds[id_] = found.log_odds.get(id_, 0.0) + weight * score


def _mark_exact(found: Lexical, matches: Matches, phrase: Sequence[str]) -> None:
    exact = [id_ for id_, text in zip(matches.ids.tolist(), matches.words, strict=True) if _holds(text, phrase)]
    if len(exact) <= MOST_EXACT:
        found.exact.update(exact)


def _holds(text: str, phrase: Sequence[str]) -> bool:
    return any(contains(run.split(), phrase) for run in text.split(f" {FIELD_BREAK} "))
