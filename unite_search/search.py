"""Answering: a query becomes a vector, partitions rank their items, the lists are merged, grouped, cut to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.merge import RankedList, merge
from indexers.partitioned import PartitionedIndex
from unite_search.catalog import Catalog
from unite_search.content import Content
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_clip, load_image
from unite_search.modality import matching_partitions
from unite_search.query import Hit, Query, SearchOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVE_WEIGHT = 0.5
CALIBRATION_SAMPLE = 512
FIRST_FETCH = 4
HIT_COLUMNS = (
    "parent",
    "content_hash",
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
    """Read the query's files and embed everything in one call.

    Excluded texts are vector arithmetic: half of their mean is subtracted from the query's vector.

    Raises:
        UnreadableFileError: an image or clip of the query cannot be read.
    """
    loaded = [load_image(path, encoder.media) for path in query.images]
    loaded += [load_clip(path, encoder.media) for path in query.videos]
    main = Content((*(part for part, _ in loaded), *query.texts), instruction=query.instruction)
    negatives = [Content((text,), instruction=query.instruction) for text in query.exclude]
    embeddings = encoder.encode([main, *negatives], role="query")
    vector = embeddings[0]
    if negatives:
        vector = vector - NEGATIVE_WEIGHT * embeddings[1:].mean(axis=0)
        vector = vector / max(float(np.linalg.norm(vector)), np.finfo(np.float32).tiny)
    return QueryVector(vector.astype(np.float32), frozenset(content_hash for _, content_hash in loaded))


@dataclass(frozen=True, slots=True)
class _Found:
    """A merged entry with its row of the catalog."""

    id: int
    partition: str
    score: float
    cosine: float
    row: dict[str, Any]


def find(
    catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, options: SearchOptions
) -> tuple[tuple[Hit, ...], dict[str, int]]:
    """Rank the items for a query vector.

    Returns:
        The page of hits, and how many items competed by partition.

    Raises:
        FilterError: `options.where` cannot be evaluated.
        ValueError: `options.partitions` names an unknown modality.
    """
    names = partitions.names()
    if options.partitions:
        names = matching_partitions(options.partitions, names)
    allowed = None if options.where is None else catalog.ids_where(options.where)
    sizes = {name: _competing(partitions, name, allowed) for name in names}
    names = [name for name in names if sizes[name]]
    wanted = options.offset + options.top_k
    fetch = FIRST_FETCH * wanted
    groups: list[list[_Found]] = []
    while names:
        found = _fetch(catalog, partitions, query, (names, fetch, allowed))
        groups = _group(found, query.content_hashes, options)
        if len(groups) >= wanted or fetch >= max(sizes.values()):
            break
        fetch *= FIRST_FETCH
    page = groups[options.offset : wanted]
    return tuple(_hit(group, rank) for rank, group in enumerate(page, options.offset + 1)), sizes


def _competing(partitions: PartitionedIndex, name: str, allowed: NDArray[np.int64] | None) -> int:
    if allowed is None:
        return partitions.count(name)
    return len(np.intersect1d(partitions.ids(name), allowed, assume_unique=True))


def _fetch(
    catalog: Catalog,
    partitions: PartitionedIndex,
    query: QueryVector,
    scope: tuple[Sequence[str], int, NDArray[np.int64] | None],
) -> list[_Found]:
    """The best `fetch` items over all partitions, merged on calibrated scores, best first."""
    names, fetch, allowed = scope
    results = partitions.search(names, query.embedding[None], fetch, allowed=allowed)
    lists = []
    for name, (scores, ids) in results.items():
        is_found = ids[0] >= 0
        _, sample = partitions.sample(name, CALIBRATION_SAMPLE)
        lists.append(
            RankedList(
                name=name,
                ids=ids[0][is_found],
                scores=scores[0][is_found],
                sample_scores=sample @ query.embedding,
                size=partitions.count(name),
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


def _group(found: Sequence[_Found], own_hashes: frozenset[str], options: SearchOptions) -> list[list[_Found]]:
    """Gather the items of one file, best first, and leave the query's own files out."""
    groups: dict[int, list[_Found]] = {}
    for entry in found:
        if options.include_self or entry.row["content_hash"] not in own_hashes:
            groups.setdefault(entry.row["parent"] if options.group else entry.id, []).append(entry)
    return list(groups.values())


def _hit(group: Sequence[_Found], rank: int) -> Hit:
    best, *others = (_single_hit(entry, rank) for entry in group)
    return replace(best, segments=tuple(others))


def _single_hit(entry: _Found, rank: int) -> Hit:
    import json

    row = {name: value for name, value in entry.row.items() if name != "content_hash"}
    row["metadata"] = json.loads(row["metadata"] or "{}")
    return Hit(rank=rank, score=entry.score, cosine=entry.cosine, partition=entry.partition, **row)
