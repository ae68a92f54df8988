"""Write the page of an evaluation: the worst and the best queries, with their pictures and hits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets.dataset import Entry
from benchmarks.quality.ranking import Outcome
from unite_search.gallery import Section, write_gallery
from unite_search.media.uri import absolute, path_to_uri
from unite_search.query import Hit, Query, SearchResult

SHOWN = 12
"""Number of worst queries, and of best ones."""
HITS = 5


def write_page(path: Path, heading: str, outcomes: Sequence[Outcome]) -> None:
    """Write one HTML file; right answers are marked, and the first one is added if it is not among the hits shown."""
    answered = sorted((one for one in outcomes if one.is_answerable), key=lambda one: -one.first_rank)
    worst = answered[: min(SHOWN, (len(answered) + 1) // 2)]
    best = answered[len(worst) :][-SHOWN:][::-1]
    sections = [_section(f"Worst {number}", one) for number, one in enumerate(worst, 1)]
    sections += [_section(f"Best {number}", one) for number, one in enumerate(best, 1)]
    write_gallery(path, sections, heading=heading)


def _section(title: str, outcome: Outcome) -> Section:
    hits, right = _hits(outcome)
    return Section(
        title=title,
        query=_query(outcome),
        result=SearchResult(hits=hits, searched={}, encode_ms=0, search_ms=0),
        facts=f"query {outcome.question.id}: first right answer at rank {outcome.first_rank:.0f} "
        f"of {len(outcome.gallery):,}",
        right=right,
    )


def _query(outcome: Outcome) -> Query | None:
    text, media = outcome.question.text, outcome.question.media
    images = (media.path,) if media is not None and media.modality == "image" else ()
    videos = (media.path,) if media is not None and media.modality == "video" else ()
    return Query(texts=(text,) if text else (), images=images, videos=videos)


def _hits(outcome: Outcome) -> tuple[tuple[Hit, ...], frozenset[int]]:
    """Return the hits to show, which always include the first right one, and the ids of the right ones."""
    if outcome.ranking is None:
        return (), frozenset()
    ranking, relevant = outcome.ranking, outcome.question.relevant
    shown = [
        (place, outcome.gallery[row], score)
        for place, (row, score) in enumerate(zip(ranking.top[:HITS], ranking.top_scores, strict=False), 1)
    ]
    if outcome.first_rank > HITS:
        first = int(ranking.ranks.argmin())
        by_id = {entry.id: entry for entry in outcome.gallery}
        name = sorted(relevant, key=lambda one: relevant[one])[first]
        shown.append((int(outcome.first_rank), by_id[name], ranking.scores[first]))
    hits = tuple(_hit(place, entry, float(score)) for place, entry, score in shown)
    return hits, frozenset(place for place, entry, _ in shown if entry.id in relevant)


def _hit(rank: int, entry: Entry, score: float) -> Hit:
    """Build a hit with its rank as id."""
    path = Path(entry.id) if entry.media is None else entry.media.path
    return Hit(
        rank=rank,
        id=rank,
        score=score,
        cosine=score,
        partition="text" if entry.media is None else entry.media.modality,
        uri=path_to_uri(absolute(path)),
        parent=rank,
        text=entry.text,
    )
