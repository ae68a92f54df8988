"""Lexical evidence: which items hold the words of a query, and how much that says for them.

The vector of a query was made from the same words, so a word adds to it what the vector does not say. Of common words
that is little; of a rare one, which the encoder may never have seen, it is much. With n of the collection's N items
holding a word, whatever is searched of them, its weight is

    rarity * rarity / log(N + A + 1),    rarity = log((N + A + 1) / (n + A * p + 0.5))

where A imaginary items, of which the share p holds the word, keep few items from saying much. The words of a query are
not independent, and an item that holds one of ten says little, so the evidence for an item is

    weight of the words found / square root of their number in the query * share of the query's weight that was found

A word of a caption or passage is as rare as it is among the items that have a text. Words that no item holds, nor one
that is spelt like them, tell nothing and do not count. An item that holds every word of the query is as likely relevant
as `WHOLE_QUERY` says, however little its vector does: the encoder may not know a name.

An item that holds the whole query word for word is an *exact* match and comes first; where none does, one that holds a
code of it. A query that tells one word, as `dog` and `a dog` do, has to be the name of the file or the whole of its
text: that a text holds one word of it is no surprise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log

from unite_search.analyzer import contains, first_run, read_document, singular, within_edits
from unite_search.search.words import Words
from unite_search.storage.full_text import FUZZY_FROM_CHARACTERS, MOST_EDITS, FullText

IMAGINARY_ITEMS = 100
IMAGINARY_SHARE = 0.01
"""A and p: chosen on the photos by which the starter was calibrated, see docs/explanation/scores.md."""
MOST_MATCHES = 100
"""Items that are looked at because of their words."""
MOST_TERMS = 32
"""Distinct words of a query that are looked up; each costs a search of the index."""
MOST_TERMS_MISSPELT = 8
"""Of a query of more words, those that nothing holds are not looked up under other spellings, which costs the most."""
MOST_PHRASE_TERMS = 256
"""Words of a phrase that makes a match exact. A longer one is found by its words and its vector alone."""
MISSPELT_WEIGHT = 0.7
"""What a word counts that is only similar to that of the query."""
TWO_EDITS_FROM_CHARACTERS = 8
"""A shorter word is misspelt by one letter at most."""
WHOLE_QUERY = 0.3
"""Log-odds that another caption of a photo says a word of its first one; on the 400 photos of the calibration."""
EXACT_BONUS = 20.0
"""Added to the log-odds of an exact match, so that its score is above those of all others, too."""
MOST_EXACT = 50
MOST_EXACT_SHARE = 0.05
"""If more items hold the whole query than both of these, holding it says little, and none is called exact."""
NO_EVIDENCE = (0.0, False)


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the query: the forms under which it counts as found, and its weights in a text and elsewhere.

    `misspelt` is the word, if no item holds it and the forms are only spelt like it.
    """

    forms: frozenset[str]
    text_weight: float
    label_weight: float
    misspelt: str | None = None


@dataclass(frozen=True)
class Lookup:
    """What the words of a query say of any row.

    Attributes:
        terms: the telling words that are held by some item.
        phrases: the whole query and its codes, as far as few enough items hold them.
        labels: what a query of one telling word may be, if few enough items hold it.
        candidates: partition by id of the items that are looked at because of their words.
        is_complete: whether every telling word is held by some item, as it is spelt.
        crowded: phrases that make more items exact than there are candidates.
    """

    terms: tuple[Term, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    labels: frozenset[str] = frozenset()
    candidates: Mapping[int, str] = field(default_factory=dict)
    is_complete: bool = True
    crowded: tuple[tuple[str, ...], ...] = ()

    def evidence(self, text: str | None, meaning: float = 0.0) -> tuple[float, bool]:
        """Return the log-odds that speak for a row with some words, and whether it is an exact match.

        Args:
            text: what the index holds of the row.
            meaning: log-odds by the vectors.
        """
        if not text or self.forms.isdisjoint(text.split()):
            return NO_EVIDENCE
        said, labels = read_document(text)
        is_exact = any(contains(text, phrase) for phrase in self.phrases)
        if self.labels:
            name = first_run(labels)
            is_exact |= not self.labels.isdisjoint((first_run(said), name, name.rpartition(" ")[0]))
        log_odds = self._log_odds({*said.split()}, {*labels.split()}, meaning)
        return log_odds + (EXACT_BONUS if is_exact else 0.0), is_exact

    def _log_odds(self, in_text: set[str], in_labels: set[str], meaning: float) -> float:
        found, share, is_whole = 0.0, 0.0, self.is_complete
        for term in self.terms:
            weights = [
                *([term.text_weight] if in_text & term.forms else []),
                *([term.label_weight] if in_labels & term.forms else []),
            ]
            if weights:
                found += max(weights)
                share += term.label_weight
            is_whole &= bool(weights)
        everything = sum(term.label_weight for term in self.terms)
        log_odds = float(found / len(self.terms) ** 0.5 * share / everything)
        return max(log_odds, WHOLE_QUERY - meaning) if is_whole else log_odds

    def notes(self) -> tuple[str, ...]:
        """Return a sentence on each word that was taken for another."""
        return tuple(
            f"nothing holds {term.misspelt}; looked for {', '.join(sorted(term.forms - {term.misspelt}))}"
            for term in self.terms
            if term.misspelt
        )

    @cached_property
    def forms(self) -> frozenset[str]:
        """All forms under which words of the query are found."""
        return frozenset().union(*(term.forms for term in self.terms))


NOTHING_TO_LOOK_UP = Lookup()


def look_up(
    index: FullText,
    words: Words,
    where: str | None,
    sizes: Mapping[str, int],
    k: int,
    *,
    may_be_misspelt: bool = True,
) -> Lookup:
    """Look the words of a query up.

    Args:
        index: the full-text index.
        words: the query.
        where: SQL expression that candidates must match.
        sizes: number of items of the collection, by partition.
        k: most candidates for each way of finding them.
        may_be_misspelt: whether a word that nothing holds may stand for one that is spelt like it.
    """
    if not words.telling:
        return NOTHING_TO_LOOK_UP
    everything = sum(sizes.values())
    with_text = sum(size for name, size in sizes.items() if "text" in name)
    telling = words.telling[:MOST_TERMS]
    may_be_misspelt &= len(telling) <= MOST_TERMS_MISSPELT
    known = (_term(index, term, with_text, everything, may_be_misspelt=may_be_misspelt) for term in telling)
    terms = tuple(term for term in known if term is not None)
    if not terms:
        return NOTHING_TO_LOOK_UP
    forms = Lookup(terms).forms
    candidates = index.match(sorted(forms), k, where)
    most_exact = max(MOST_EXACT, int(MOST_EXACT_SHARE * everything))
    exact = {phrase: count for phrase, count in _counted(index, words, most_exact) if count <= most_exact}
    for phrase in exact:
        if forms != {*phrase[:1]}:  # Or else the items with the one word are those with the phrase.
            candidates |= index.match_phrase(phrase, k, where)
    crowded = tuple(phrase for phrase, count in exact.items() if count > k)
    labels = frozenset({" ".join(words.terms), *words.telling} if words.is_label and exact else ())
    is_complete = len(terms) == len(words.telling) and not any(term.misspelt for term in terms)
    return Lookup(terms, () if labels else tuple(exact), labels, candidates, is_complete, crowded)


def _counted(index: FullText, words: Words, most: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the phrases that may make a match exact and that some item holds, with the number of items.

    They are the whole query, or else its codes, and what is quoted.
    """
    whole = words.telling[:1] if words.is_label else words.terms
    is_whole_held = False
    for phrase in dict.fromkeys([whole, *words.codes[:MOST_TERMS], *words.required[:MOST_TERMS]]):
        is_needed = phrase == whole or phrase in words.required or not is_whole_held
        if is_needed and len(phrase) <= MOST_PHRASE_TERMS and (count := _count(index, phrase, most + 1)):
            is_whole_held |= phrase == whole
            yield phrase, count


def _count(index: FullText, phrase: tuple[str, ...], most: int) -> int:
    """Return how many rows hold a phrase, at most `most`; those with a single word were counted before."""
    return index.frequency(phrase, None if len(phrase) == 1 else most)


def _term(index: FullText, term: str, with_text: int, everything: int, *, may_be_misspelt: bool) -> Term | None:
    """Return a word with its weights; one that no item holds counts as those that are spelt like it.

    None if there are none of those, either.
    """
    forms = {term, singular(term)}
    holding = max(index.frequency((form,)) for form in forms)
    factor, misspelt = 1.0, None
    if not holding and may_be_misspelt and len(term) >= FUZZY_FROM_CHARACTERS:
        similar = _similar_forms(term, index.similar_rows(term, MOST_MATCHES))
        holding, factor = sum(index.frequency((form,)) for form in similar), MISSPELT_WEIGHT
        forms, misspelt = {term, *similar}, term
    if not holding:
        return None
    return Term(frozenset(forms), factor * _weight(holding, with_text), factor * _weight(holding, everything), misspelt)


def _similar_forms(term: str, texts: Sequence[str]) -> set[str]:
    known = {word for text in texts for word in text.split() if word[0] == term[0]}
    edits = MOST_EDITS if len(term) >= TWO_EDITS_FROM_CHARACTERS else 1
    return {word for word in known if within_edits(word, term, edits)}


def _weight(holding: int, items: int) -> float:
    """Return the weight of a word that some of the items hold, by the formula in the module's docstring."""
    everything = max(items, holding) + IMAGINARY_ITEMS
    rarity = log((everything + 1) / (holding + IMAGINARY_ITEMS * IMAGINARY_SHARE + 0.5))
    return max(0.0, rarity) * rarity / log(everything + 1)
