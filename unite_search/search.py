"""Search: encode the query, search each partition, merge and group the ranked lists, and return one page of hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.calibration import HEAD, RankedList, merge
from indexers.partitioned import PartitionedIndex
from indexers.unit import unit_rows
from unite_search import strict_json
from unite_search.content import Content, Part
from unite_search.encoders.base import Encoder, encode
from unite_search.media.load import load_clip, load_image
from unite_search.modality import matching_partitions
from unite_search.query import Hit, Query, SearchOptions
from unite_search.storage.catalog import Catalog

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVE_WEIGHT = 0.5
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


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """An encoded query: (D,) float32 unit vector, and the hashes of the files it was made from."""

    embedding: NDArray[np.float32]
    content_hashes: frozenset[str] = frozenset()


def encode_query(encoder: Encoder, query: Query) -> QueryVector:
    """Read the files of a query and encode all its parts in one call.

    Excluded texts are vector arithmetic: half of their mean vector is subtracted from the query's vector.

    Raises:
        UnreadableFileError: an image or clip of the query cannot be read.
    """
    loaded: list[tuple[Part, str]] = [load_image(path, encoder.media) for path in query.images]
    loaded += [load_clip(path, encoder.media) for path in query.videos]
    main = Content((*(part for part, _ in loaded), *query.texts), instruction=query.instruction)
    negatives = [Content((text,), instruction=query.instruction) for text in query.exclude]
    embeddings = encode(encoder, [main, *negatives], role="query")
    return QueryVector(combine(embeddings), frozenset(content_hash for _, content_hash in loaded))


def combine(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Combine the (1 + n, D) embeddings of a query and of n excluded texts into one (D,) unit vector."""
    if len(embeddings) == 1:
        return np.asarray(embeddings[0], np.float32)
    return unit_rows(embeddings[0] - NEGATIVE_WEIGHT * embeddings[1:].mean(axis=0))


@dataclass(frozen=True, slots=True)
class _Found:
    """A merged entry with its row of the catalog."""

    id: int
    partition: str
    score: float
    cosine: float
    row: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Scope:
    """What is searched: the number of items by partition, the sorted ids allowed (None for all), and those left out."""

    sizes: dict[str, int]
    allowed: NDArray[np.int64] | None
    left_out: NDArray[np.int64]


def find(
    catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, options: SearchOptions
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
        groups = _group(_fetch(catalog, partitions, query, (scope, min(fetch, everything))), by_file=options.group)
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
    catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, depth: tuple[_Scope, int]
) -> list[_Found]:
    """Return the best items over all partitions, merged by calibrated score, best first."""
    scope, fetch = depth
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
    merged = merge(lists, fetch)
    rows = catalog.rows(merged.ids.tolist(), HIT_COLUMNS)
    return [
        _Found(id_, name, score, cosine, rows[id_])
        for id_, name, score, cosine in zip(
            merged.ids.tolist(), merged.names, merged.scores.tolist(), merged.cosines.tolist(), strict=True
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
