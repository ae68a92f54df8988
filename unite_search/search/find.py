"""Find: search each partition, merge the ranked lists by score, group them, and return one page of hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.calibration import HEAD, RankedList
from indexers.partitioned import PartitionedIndex
from unite_search import strict_json
from unite_search.encoders.calibration import Calibration
from unite_search.modality import matching_partitions
from unite_search.query import Hit, SearchOptions
from unite_search.search.encoding import QueryVector
from unite_search.search.lexical import Lexical, lexical_evidence
from unite_search.search.scoring import scored
from unite_search.storage.catalog import Catalog

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_FETCH = 4
HIT_COLUMNS = (
    "parent",
    "uri",
    "start_s",
    "end_s",
    "text",
    "width",
    "height",
    "duration_s",
    "taken_at",
    "metadata",
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A scored item with its row of the catalog."""

    id: int
    partition: str
    score: float
    meaning: float | None
    words: float
    cosine: float
    row: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Scope:
    """What is searched: the number of items by partition, the sorted ids allowed (None for all), and those left out."""

    sizes: dict[str, int]
    allowed: NDArray[np.int64] | None
    left_out: NDArray[np.int64]


def find(
    catalog: Catalog,
    partitions: PartitionedIndex,
    query: QueryVector,
    options: SearchOptions,
    calibration: Calibration | None = None,
) -> tuple[tuple[Hit, ...], dict[str, int]]:
    """Rank the items for a query vector.

    Returns:
        The page of hits, and how many items competed by partition.

    Raises:
        FilterError: `options.where` cannot be evaluated.
        ValueError: `options.modalities` names an unknown modality.
    """
    scope = _scope(catalog, partitions, query, options)
    finder = _Finder(catalog, partitions, query, calibration, scope, _lexical(catalog, query, scope, options.where))
    wanted = options.offset + options.top_k
    fetch = max(HEAD, FIRST_FETCH * wanted)
    groups: list[list[_Found]] = []
    everything = sum(scope.sizes.values())
    while scope.sizes:
        groups = _group(finder.best(min(fetch, everything)), by_file=options.group)
        if len(groups) >= wanted or fetch >= max(scope.sizes.values()):
            break
        fetch *= FIRST_FETCH
    page = groups[options.offset : wanted]
    return tuple(_hit(group, rank) for rank, group in enumerate(page, options.offset + 1)), scope.sizes


def _scope(catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, options: SearchOptions) -> _Scope:
    names = partitions.names()
    if options.modalities:
        names = matching_partitions(options.modalities, names)
    allowed = None if options.where is None else catalog.ids_where(options.where)
    left_out = np.empty(0, np.int64) if options.include_self else catalog.ids_of_hashes(query.content_hashes)
    with catalog.guarded():
        for phrase in query.words.required:
            holding = catalog.full_text.ids_of_phrase(phrase)
            allowed = holding if allowed is None else np.intersect1d(allowed, holding, assume_unique=True)
        for phrase in query.words.excluded:
            left_out = np.union1d(left_out, catalog.full_text.ids_of_phrase(phrase))
    sizes = {
        name: _count_allowed(partitions, name, allowed) - _count_allowed(partitions, name, _within(left_out, allowed))
        for name in names
    }
    return _Scope({name: size for name, size in sizes.items() if size > 0}, allowed, left_out)


def _within(ids: NDArray[np.int64], allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return ids if allowed is None else np.intersect1d(ids, allowed, assume_unique=True)


def _lexical(catalog: Catalog, query: QueryVector, scope: _Scope, where: str | None) -> Lexical:
    """Look up the words of a query that consists of text alone; beside a picture they say how it should change."""
    if query.kind != "text" or not query.words.terms or not scope.sizes:
        return Lexical()
    within = ", ".join(f"'{name}'" for name in scope.sizes)
    conditions = [f"partition IN ({within})", *([f"({where})"] if where else [])]
    with catalog.guarded():
        return lexical_evidence(catalog.full_text, query.words, " AND ".join(conditions), scope.sizes)


def _count_allowed(partitions: PartitionedIndex, name: str, allowed: NDArray[np.int64] | None) -> int:
    """Count the items of a partition that are among the sorted `allowed`, without copying its ids where possible."""
    if allowed is None:
        return partitions.count(name)
    return len(np.intersect1d(partitions.ids(name), allowed, assume_unique=True)) if len(allowed) else 0


@dataclass(frozen=True, slots=True, eq=False)
class _Finder:
    """Finds the best items of a scope by meaning and words together."""

    catalog: Catalog
    partitions: PartitionedIndex
    query: QueryVector
    calibration: Calibration | None
    scope: _Scope
    lexical: Lexical

    def best(self, depth: int) -> list[_Found]:
        """Return the best items, best first, from the nearest `depth` of each partition and those with the words."""
        lists = self._ranked_lists(depth)
        best = scored(lists, self.query, self.calibration, self.lexical, depth)
        rows = self.catalog.rows(best.ids.tolist(), HIT_COLUMNS)
        meaning = [None] * len(best.ids) if best.meaning is None else best.meaning.tolist()
        return [
            _Found(id_, name, score, log_odds, words, cosine, rows[id_])
            for id_, name, score, log_odds, words, cosine in zip(
                best.ids.tolist(),
                best.names,
                best.scores.tolist(),
                meaning,
                best.words.tolist(),
                best.cosines.tolist(),
                strict=True,
            )
        ]

    def _ranked_lists(self, depth: int) -> list[RankedList]:
        scope, embedding = self.scope, self.query.embedding
        results = self.partitions.search(
            scope.sizes, embedding[None], depth + len(scope.left_out), allowed=scope.allowed
        )
        nearest = {}
        for name, (scores, ids) in results.items():
            is_found = (ids[0] >= 0) & ~np.isin(ids[0], scope.left_out)
            nearest[name] = ids[0][is_found][:depth], scores[0][is_found][:depth]
        self._add_items_with_words(nearest)
        return [
            RankedList(
                name=name,
                ids=ids,
                scores=scores,
                sample_scores=_sample_scores(self.partitions.sample(name), embedding),
                size=scope.sizes[name],
            )
            for name, (ids, scores) in nearest.items()
        ]

    def _add_items_with_words(self, nearest: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]) -> None:
        """Add items that have words of the query and are not among the nearest, with their cosines."""
        known = np.concatenate([ids for ids, _ in nearest.values()])
        wanted = np.setdiff1d(np.array(list(self.lexical.partitions), np.int64), known)
        wanted = np.setdiff1d(_within(wanted, self.scope.allowed), self.scope.left_out)
        rows = self.catalog.rows(wanted.tolist(), ["partition", "embedding"]) if len(wanted) else {}
        for name in {row["partition"] for row in rows.values()}:
            ids = np.array([id_ for id_, row in rows.items() if row["partition"] == name], np.int64)
            vectors = np.array([rows[id_]["embedding"] for id_ in ids.tolist()], np.float32)
            cosines = _sample_scores(vectors, self.query.embedding)
            all_ids, all_scores = np.append(nearest[name][0], ids), np.append(nearest[name][1], cosines)
            order = np.argsort(-all_scores, kind="stable")
            nearest[name] = all_ids[order], all_scores[order]


def _sample_scores(sample: NDArray[np.float32], embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n,) scores of (n, D) rows.

    This avoids `@`, for which BLAS wakes threads that then spin beside other searches.
    """
    scores: NDArray[np.float32] = np.einsum("nd,d->n", sample, embedding)
    return scores


def _group(found: Sequence[_Found], *, by_file: bool) -> list[list[_Found]]:
    """Group the items of each file, best first; or make each item a group of its own."""
    groups: dict[int, list[_Found]] = {}
    for entry in found:
        groups.setdefault(entry.row["parent"] if by_file else entry.id, []).append(entry)
    return list(groups.values())


def _hit(group: Sequence[_Found], rank: int) -> Hit:
    best, *others = (_single_hit(entry, rank) for entry in group)
    return replace(best, segments=tuple(others))


def _single_hit(entry: _Found, rank: int) -> Hit:

    row = {**entry.row, "metadata": strict_json.loads(entry.row["metadata"] or "{}")}
    return Hit(rank=rank, score=entry.score, cosine=entry.cosine, partition=entry.partition, **row)
