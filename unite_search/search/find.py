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
    wanted = options.offset + options.top_k
    fetch = max(HEAD, FIRST_FETCH * wanted)
    groups: list[list[_Found]] = []
    everything = sum(scope.sizes.values())
    while scope.sizes:
        depth = scope, min(fetch, everything), calibration
        groups = _group(_fetch(catalog, partitions, query, depth), by_file=options.group)
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
    own = np.empty(0, np.int64) if options.include_self else catalog.ids_of_hashes(query.content_hashes)
    sizes = {name: _count_allowed(partitions, name, allowed) - _count_allowed(partitions, name, own) for name in names}
    return _Scope({name: size for name, size in sizes.items() if size > 0}, allowed, own)


def _count_allowed(partitions: PartitionedIndex, name: str, allowed: NDArray[np.int64] | None) -> int:
    """Count the items of a partition that are among the sorted `allowed`, without copying its ids where possible."""
    if allowed is None:
        return partitions.count(name)
    return len(np.intersect1d(partitions.ids(name), allowed, assume_unique=True)) if len(allowed) else 0


def _fetch(
    catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, depth: tuple[_Scope, int, Calibration | None]
) -> list[_Found]:
    """Return the best items over all partitions, best first."""
    scope, fetch, calibration = depth
    results = partitions.search(scope.sizes, query.embedding[None], fetch + len(scope.left_out), allowed=scope.allowed)
    lists = []
    for name, (scores, ids) in results.items():
        is_found = (ids[0] >= 0) & ~np.isin(ids[0], scope.left_out)
        lists.append(
            RankedList(
                name=name,
                ids=ids[0][is_found][:fetch],
                scores=scores[0][is_found][:fetch],
                sample_scores=_sample_scores(partitions.sample(name), query.embedding),
                size=scope.sizes[name],
            )
        )
    best = scored(lists, query, calibration, fetch)
    rows = catalog.rows(best.ids.tolist(), HIT_COLUMNS)
    meaning = [None] * len(best.ids) if best.meaning is None else best.meaning.tolist()
    return [
        _Found(id_, name, score, log_odds, cosine, rows[id_])
        for id_, name, score, log_odds, cosine in zip(
            best.ids.tolist(), best.names, best.scores.tolist(), meaning, best.cosines.tolist(), strict=True
        )
    ]


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
