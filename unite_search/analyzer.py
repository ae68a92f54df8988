"""The analyzer of the full-text index: turns text into terms, the same way for what is indexed and what is asked.

A *term* is a run of letters and digits without case and accents. A run of Chinese, Japanese or Thai, which are written
without spaces, becomes its overlapping pairs of characters, so that any part of it is found. Terms keep their order, so
that phrases can be found. Behind them, each word has its *variants*: the parts of `IMG_2034` or `sunsetBeach2`, and the
singular of a plural.

Sources: character bigrams, Foo and Li 2004, "Chinese word segmentation and its effect on information retrieval"; the
singular, Harman 1991, "How effective is suffixing?".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

FIELD_BREAK = "|"
"""A term that no text has; it keeps phrases from reaching from one field into the next."""
TEXT_END = "||"
"""Another one, between what a row says and what it is called."""
MAX_TERM_CHARACTERS = 64
"""Longer runs, such as encoded data, are cut."""
SHORTEST_PLURAL = 4
MOST_JOINED_PARTS = 4
"""Of a word with more parts, such as encoded data, each is found alone."""

_LATIN_MARKS = re.compile("[\u0300-\u036f]")
_LETTER = r"(?:[^\W_]|[\u0300-\u036f\u0900-\u0dff])"
"""A letter, digit or accent, or a vowel sign of an Indic script, which Python does not count as part of a word."""
_WORD = re.compile(rf"{_LETTER}+(?:['’]{_LETTER}+)?")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_IES = re.compile(r"(?<![aeo])ies$")


def folded(text: str) -> str:
    """Return text without differences of case, width and accent: `Café` is `cafe`."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _LATIN_MARKS.sub("", decomposed))


def terms(text: str) -> list[str]:
    """Return the terms of a text, in order."""
    return [term for word in _WORD.findall(folded(text)) for term in _terms_of_word(word)]


def variants(text: str) -> list[str]:
    """Return the other forms under which the words of a text are found: their parts, and the singulars of plurals.

    Each is given once, and none is a term of the text.
    """
    return sorted(_variants(text, set(terms(text))))


def document(text: str, labels: Sequence[str]) -> str:
    """Return what the index holds of a row: the terms and variants of its text, and those of its labels.

    The terms of the text and of each label stand together, and each variant alone, so that no phrase reaches from one
    into the next.

    Args:
        text: what the row says.
        labels: what it is called: its name, its keywords, its folder.
    """
    return f" {TEXT_END} ".join(f" {FIELD_BREAK} ".join(_runs(fields)) for fields in ([text], labels))


def read_document(made: str) -> tuple[str, str]:
    """Return what a document holds of the text of a row, and of its labels."""
    text, _, labels = made.partition(f" {TEXT_END} ")
    return text, labels


def first_run(part: str) -> str:
    """Return the terms of the text itself from the first part of a document, and those of the first label from the
    second.
    """
    return part.partition(f" {FIELD_BREAK} ")[0]


def contains(made: str, phrase: Sequence[str]) -> bool:
    """Return whether the terms of a phrase stand in a document, one after the other."""
    return f" {' '.join(phrase)} " in f" {made} "


def word_spans(text: str, forms: Collection[str]) -> Iterator[tuple[int, int, str]]:
    """Yield where words of a text stand that are found under one of some forms: start, end, and the form."""
    for word in _WORD.finditer(text) if forms else ():
        for start, end in _pieces(word.group()):
            form = next((form for form in _forms(word.group()[start:end]) if form in forms), None)
            if form is not None:
                yield word.start() + start, word.start() + end, form


def singular(term: str) -> str:
    """Return the singular of an English plural, by its ending alone; other terms stay as they are."""
    if len(term) < SHORTEST_PLURAL or not term.isascii() or not term.endswith("s") or term.endswith(("ss", "us", "is")):
        return term
    if _IES.search(term):
        return f"{term[:-3]}y"
    return term[:-2] if term.endswith(("ches", "shes", "sses", "xes", "zes")) else term[:-1]


def within_edits(one: str, other: str, edits: int) -> bool:
    """Return whether a term becomes another by at most `edits` steps.

    A step changes, adds or removes a character, or swaps two that stand side by side.

    Source: Damerau 1964, "A technique for computer detection and correction of spelling errors".
    """
    if abs(len(one) - len(other)) > edits:
        return False
    rows = [[0] * (len(other) + 1), list(range(len(other) + 1))]
    for place, character in enumerate(one, 1):
        row = [place]
        for column, wanted in enumerate(other, 1):
            steps = min(row[-1] + 1, rows[-1][column] + 1, rows[-1][column - 1] + (character != wanted))
            if place > 1 and column > 1 and (character, one[place - 2]) == (other[column - 2], wanted):
                steps = min(steps, rows[-2][column - 2] + 1)
            row.append(steps)
        rows.append(row)
    return rows[-1][-1] <= edits


@lru_cache(maxsize=4096)
def _forms(piece: str) -> tuple[str, ...]:
    """Return the terms and variants of a word."""
    return (*terms(piece), *variants(piece))


def _pieces(word: str) -> Iterable[tuple[int, int]]:
    """Cut a word into what becomes one term each, as (start, end)."""
    place = 0
    for run in _UNSPACED.finditer(word):
        yield from [(place, run.start())] if run.start() > place else []
        last = max(run.start() + 1, run.end() - 1)
        yield from ((start, min(start + 2, run.end())) for start in range(run.start(), last))
        place = run.end()
    yield from [(place, len(word))] if len(word) > place else []


def _variants(text: str, known: set[str]) -> set[str]:
    """Return the variants of a text, given its terms."""
    parts = {term for word in _WORD.findall(text) for part in _parts(word) for term in terms(part)}
    unspaced = [] if text.isascii() else _UNSPACED.findall(folded(text))
    return {*parts, *(character for run in unspaced for character in run), *map(singular, known)} - known


def _runs(fields: Sequence[str]) -> list[str]:
    found = [terms(field) for field in fields]
    forms: set[str] = set()
    for field, known in zip(fields, found, strict=True):
        forms |= _variants(field, set(known))
    return [*map(" ".join, found), *sorted(forms)]


def _terms_of_word(word: str) -> Iterable[str]:
    place = 0
    for run in _UNSPACED.finditer(word):
        yield from _cut(word[place : run.start()])
        characters = run.group()
        yield from (characters[start : start + 2] for start in range(max(1, len(characters) - 1)))
        place = run.end()
    yield from _cut(word[place:])


def _cut(word: str) -> Iterable[str]:
    return [word[:MAX_TERM_CHARACTERS]] if word else []


def _parts(word: str) -> list[str]:
    """Cut a word where a capital follows a small letter, and between letters and digits.

    Of `sunsetBeach2`, these are `sunset`, `Beach` and `2`, and what stands side by side, such as `sunsetBeach`.
    """
    seams = [place for place in range(1, len(word)) if _is_seam(word[place - 1], word[place])]
    if not seams:
        return []
    cuts = [0, *seams, len(word)]
    longest = len(cuts) - 1 if len(cuts) - 1 <= MOST_JOINED_PARTS else 1
    return [word[one:other] for place, one in enumerate(cuts) for other in cuts[place + 1 : place + 1 + longest]]


def _is_seam(before: str, after: str) -> bool:
    return before.isdigit() != after.isdigit() or (before.islower() and after.isupper())
