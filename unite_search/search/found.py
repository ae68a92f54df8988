"""Found items: what the vectors and the words say of each candidate, joined into one score, and their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from indexers.calibration import RankedList
from unite_search.search.lexical import Lookup
from unite_search.search.scoring import Meaning
from unite_search.storage.words import WORDS

DECIMALS = 6
"""Of a score; what is equal in them is sorted by meaning, such as items that only their words speak for."""

Rows = Mapping[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A candidate with its row of the catalog and the parts of its score, see `query.Evidence`.

    `is_near` says whether the vector alone would not make it weak.
    """

    id: int
    partition: str
    row: dict[str, Any]
    cosine: float | None = None
    meaning: float | None = None
    prior: float = 0.0
    words: float = 0.0
    is_near: bool = False
    is_exact: bool = False
    is_weak: bool = False

    @property
    def score(self) -> float:
        """The sum of all evidence."""
        return (self.meaning or 0.0) + self.prior + self.words

    @property
    def order(self) -> tuple[bool, bool, float, float, int]:
        """What items are sorted by, best first: weak ones come after all others, and exact matches before them."""
        return self.is_weak, not self.is_exact, -round(self.score, DECIMALS), -(self.meaning or 0.0), self.id

    @property
    def order_of_farther(self) -> tuple[bool, bool, float]:
        """What an item of the same partition can be sorted by at best that is no nearer and holds no word."""
        return self.is_weak, True, -round((self.meaning or 0.0) + self.prior, DECIMALS)


def by_meaning(
    lists: Sequence[RankedList],
    meanings: Mapping[str, Meaning],
    lookup: Lookup,
    rows: Rows,
    *,
    only_words: bool = False,
) -> list[Found]:
    """Return the items of ranked lists, best first; weak ones come after all others.

    If no item is as good as the best hits of queries that have an answer are, all of them are weak.

    Args:
        lists: the nearest items.
        meanings: what their vectors say, by partition.
        lookup: what their words say.
        rows: their rows with the words; items that are missing here are left out.
        only_words: call every item weak that holds no word of the query, because the vectors say nothing about it.
    """
    found, is_answered = [], False
    for ranked in lists:
        meaning = meanings[ranked.name]
        triples = zip(ranked.ids.tolist(), ranked.scores.tolist(), meaning.log_odds.tolist(), strict=True)
        for id_, cosine, log_odds in triples:
            if id_ not in rows:
                continue
            words, is_exact = lookup.evidence(rows[id_].get(WORDS), log_odds)
            is_silent = only_words and not words
            is_answered |= is_exact or (log_odds + words >= meaning.best_floor and not is_silent)
            found.append(
                Found(
                    id=id_,
                    partition=ranked.name,
                    row=rows[id_],
                    cosine=cosine,
                    meaning=log_odds,
                    prior=meaning.prior,
                    words=words,
                    is_near=log_odds >= meaning.floor and not only_words,
                    is_exact=is_exact,
                    is_weak=not is_exact and (log_odds + words < meaning.floor or is_silent),
                )
            )
    return _in_order(found if is_answered else [replace(one, is_weak=True) for one in found])


def by_words(lookup: Lookup, rows: Rows) -> list[Found]:
    """Return the candidates of a lookup by their words alone, best first."""
    found = []
    for id_, partition in lookup.candidates.items():
        if id_ in rows:
            words, is_exact = lookup.evidence(rows[id_].get(WORDS))
            found.append(Found(id=id_, partition=partition, row=rows[id_], words=words, is_exact=is_exact))
    return _in_order(found)


def _in_order(found: Iterable[Found]) -> list[Found]:
    return sorted(found, key=lambda one: one.order)
