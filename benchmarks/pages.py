"""The page of an evaluation: the queries that went worst and best, with their pictures and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets.base import Entry
from benchmarks.evaluate import Outcome
from unite_search.gallery import write_gallery
from unite_search.media.uri import absolute, path_to_uri
from unite_search.query import Hit, Query, SearchResult

SHOWN = 12
"""Queries of each kind."""
HITS = 5


def write_page(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write one HTML file; what is right is marked, and shown after the first hits where it is not among them."""
    answered = sorted((one for one in outcomes if one.is_answerable), key=lambda one: -one.first_rank)
    worst = answered[: min(SHOWN, (len(answered) + 1) // 2)]
    best = answered[len(worst) :][-SHOWN:][::-1]
    sections = [(f"Worst {number}: {_title(one)}", _query(one), _result(one)) for number, one in enumerate(worst, 1)]
    sections += [(f"Best {number}: {_title(one)}", _query(one), _result(one)) for number, one in enumerate(best, 1)]
    write_gallery(path, sections)


def _title(outcome: Outcome) -> str:
    return f"first right answer at rank {outcome.first_rank:.0f} (query {outcome.question.id})"


def _query(outcome: Outcome) -> Query | None:
    text, media = outcome.question.text, outcome.question.media
    images = (media.path,) if media is not None and media.kind == "image" else ()
    videos = (media.path,) if media is not None and media.kind == "video" else ()
    return Query(texts=(text,) if text else (), images=images, videos=videos)


def _result(outcome: Outcome) -> SearchResult:
    if outcome.ranking is None:
        return SearchResult(hits=(), searched={}, encode_ms=0, search_ms=0)
    ranking, right = outcome.ranking, outcome.question.relevant
    shown = [
        (place, outcome.gallery[row], score)
        for place, (row, score) in enumerate(zip(ranking.top[:HITS], ranking.top_scores, strict=False), 1)
    ]
    if outcome.first_rank > HITS:
        first = int(ranking.ranks.argmin())
        by_id = {entry.id: entry for entry in outcome.gallery}
        name = sorted(right, key=lambda one: right[one])[first]
        shown.append((int(outcome.first_rank), by_id[name], ranking.scores[first]))
    hits = tuple(_hit(place, entry, float(score), is_right=entry.id in right) for place, entry, score in shown)
    return SearchResult(hits=hits, searched={"candidates": len(outcome.gallery)}, encode_ms=0, search_ms=0)


def _hit(rank: int, entry: Entry, score: float, *, is_right: bool) -> Hit:
    kind = "text" if entry.media is None else entry.media.kind
    path = Path(entry.id) if entry.media is None else entry.media.path
    note = f"{'RIGHT. ' if is_right else ''}{entry.text or entry.id}"
    return Hit(
        rank=rank,
        id=rank,
        score=score,
        cosine=score,
        partition=kind,
        uri=path_to_uri(absolute(path)),
        parent=rank,
        text=note,
    )
