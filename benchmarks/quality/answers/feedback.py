"""Measure relevance feedback on plain photos: after each page, the hits that were right are liked and the others not.

A photo is right for a word as in `bare_words`. Judged photos are left out of the next page, so that a page counts new
hits only, and is compared with the same page of a search without feedback.

Source: the residual collection method, Salton and Buckley 1990, "Improving retrieval performance by relevance
feedback".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.indexers.speed import at_least
from benchmarks.quality.answers.bare_words import WORDS, right_names, with_article
from benchmarks.quality.answers.library import DATABASE, Setting, share
from unite_search.collection import Collection
from unite_search.query import Query, SearchOptions

PAGE = 10
ROUNDS = 2
LEAST_PHOTOS = 20
"""Words that fewer photos are right for are left out: hardly any would be left for the last page."""


def run(setting: Setting) -> dict[str, Any]:
    """Measure the precision of each page, with and without feedback."""
    photos = setting.photos("dev")
    folder = setting.plain("dev", photos)
    right = right_names(photos)
    asked = [word for word in WORDS if len(right[word]) >= LEAST_PHOTOS]
    with Collection.open(folder / DATABASE, encoder=setting.encoder) as collection:
        pages = {
            way: [ask(collection, with_article(word), right[word]) for word in asked]
            for way, ask in (("feedback", _with_feedback), ("none", _without))
        }
    precision = {way: _precision(of_words) for way, of_words in pages.items()}
    return {
        "photos": len(photos),
        "words": len(asked),
        f"precision_at_{PAGE}_by_page": precision,
        "mean_gain_of_two_rounds": at_least(
            0, _mean_of_rounds(precision["feedback"]) - _mean_of_rounds(precision["none"])
        ),
    }


def _precision(of_words: Sequence[Sequence[int]]) -> list[float]:
    """Return the precision of each page, the mean over words; each word has a count of right hits for each page."""
    return [share([count / PAGE for count in page]) for page in zip(*of_words, strict=True)]


def _mean_of_rounds(precision: Sequence[float]) -> float:
    """Return the mean precision of the pages that know judgements."""
    return sum(precision[1:]) / ROUNDS


def _with_feedback(collection: Collection, text: str, right: frozenset[str]) -> list[int]:
    """Return the number of right hits on each page, of which each but the first knows the judgements before."""
    liked: tuple[int, ...] = ()
    unliked: tuple[int, ...] = ()
    counts = []
    for _ in range(ROUNDS + 1):
        query = Query(texts=(text,), like=liked, unlike=unliked)
        hits = collection.search(query, SearchOptions(top_k=PAGE)).hits
        is_right = {hit.id: Path(hit.uri).name in right for hit in hits}
        counts.append(sum(is_right.values()))
        liked += tuple(id_ for id_, is_one in is_right.items() if is_one)
        unliked += tuple(id_ for id_, is_one in is_right.items() if not is_one)
    return counts


def _without(collection: Collection, text: str, right: frozenset[str]) -> list[int]:
    pages = range(0, PAGE * (ROUNDS + 1), PAGE)
    return [
        sum(
            Path(hit.uri).name in right
            for hit in collection.search(Query.of(text), SearchOptions(top_k=PAGE, offset=offset)).hits
        )
        for offset in pages
    ]
