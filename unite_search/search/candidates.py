"""Candidates: the items that are scored for a query, the nearest of each partition and those that hold its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from indexers.calibration import RankedList
from indexers.partitioned import PartitionedIndex
from unite_search.modality import matching_partitions
from unite_search.query import SearchOptions
from unite_search.search.encoding import QueryVector
from unite_search.search.lexical import NOTHING_TO_LOOK_UP, Lookup, look_up
from unite_search.storage.catalog import Catalog

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY_LEFT_OUT = 1000
"""With more items left out, such as by a word that many hold, the others are allowed instead of asking for more."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What is searched.

    Attributes:
        sizes: number of items that compete, by partition.
        stored: number of items of the collection, by partition.
        allowed: sorted ids; None for all.
        left_out: sorted ids.
    """

    sizes: dict[str, int]
    stored: dict[str, int]
    allowed: NDArray[np.int64] | None
    left_out: NDArray[np.int64]

    @classmethod
    def of(cls, catalog: Catalog, partitions: PartitionedIndex, query: QueryVector, options: SearchOptions) -> Scope:
        """Return the scope of a query.

        Raises:
            FilterError: `options.where` cannot be evaluated.
            ValueError: `options.modalities` names an unknown modality.
        """
        names = partitions.names()
        stored = {name: partitions.count(name) for name in names}
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
            name: _count(partitions, name, allowed) - _count(partitions, name, _within(left_out, allowed))
            for name in names
        }
        return cls({name: size for name, size in sizes.items() if size > 0}, stored, allowed, left_out)

    def keeps(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some ids that are neither filtered nor left out."""
        return np.setdiff1d(_within(ids, self.allowed), self.left_out)


def ranked_lists(partitions: PartitionedIndex, query: QueryVector, scope: Scope, depth: int) -> list[RankedList]:
    """Return the nearest `depth` items of each partition of a scope; no list is empty."""
    embedding, allowed, left_out = query.embedding, scope.allowed, len(scope.left_out)
    if left_out > MANY_LEFT_OUT:
        allowed, left_out = scope.keeps(np.concatenate([partitions.ids(name) for name in scope.sizes])), 0
    results = partitions.search(scope.sizes, embedding[None], depth + left_out, allowed=allowed)
    lists = []
    for name, (scores, ids) in results.items():
        is_found = (ids[0] >= 0) & ~np.isin(ids[0], scope.left_out)
        ranked = RankedList(
            name=name,
            ids=ids[0][is_found][:depth],
            scores=scores[0][is_found][:depth],
            sample_scores=_cosines(partitions.sample(name), embedding),
            size=scope.sizes[name],
        )
        lists += [ranked] if len(ranked.ids) else []
    return lists


def with_items_of_words(
    lists: list[RankedList], partitions: PartitionedIndex, query: QueryVector, wanted: Mapping[int, str]
) -> list[RankedList]:
    """Return the lists with some more items, each in the list of its partition and in its place by cosine.

    Args:
        lists: the nearest items of each partition.
        partitions: knows the vectors.
        query: the query.
        wanted: partitions of the items, by id.
    """
    more: dict[str, list[int]] = {ranked.name: [] for ranked in lists}
    for id_, name in wanted.items():
        more[name].append(id_)
    return [_with(ranked, partitions, query, more[ranked.name]) if more[ranked.name] else ranked for ranked in lists]


def _with(ranked: RankedList, partitions: PartitionedIndex, query: QueryVector, more: list[int]) -> RankedList:
    ids = np.sort(np.array(more, np.int64))
    scores = np.append(ranked.scores, _cosines(partitions.reconstruct(ranked.name, ids), query.embedding))
    order = np.argsort(-scores, kind="stable")
    return replace(ranked, ids=np.append(ranked.ids, ids)[order], scores=scores[order])


def lookup_of(catalog: Catalog, query: QueryVector, scope: Scope, options: SearchOptions, k: int) -> Lookup:
    """Look up the words of a query in the items of a scope."""
    if not query.words.terms or not scope.sizes:
        return NOTHING_TO_LOOK_UP
    conditions = [f"({options.where}\n)"] if options.where else []  # The filter may end with a comment.
    if options.modalities:  # Without them nothing is restricted, and a filter costs a scan.
        within = ", ".join(f"'{name}'" for name in scope.sizes)
        conditions.append(f"partition IN ({within})")
    with catalog.guarded():
        return look_up(
            catalog.full_text,
            query.words,
            " AND ".join(conditions) or None,
            scope.stored,
            k,
            may_be_misspelt=query.language is None,
        )


def _within(ids: NDArray[np.int64], allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return ids if allowed is None else np.intersect1d(ids, allowed, assume_unique=True)


def _count(partitions: PartitionedIndex, name: str, allowed: NDArray[np.int64] | None) -> int:
    """Count the items of a partition that are among the sorted `allowed`, without copying its ids where possible."""
    if allowed is None:
        return partitions.count(name)
    return len(np.intersect1d(partitions.ids(name), allowed, assume_unique=True)) if len(allowed) else 0


def _cosines(rows: NDArray[np.float32], embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n,) cosines of (n, D) rows.

    This avoids `@`, for which BLAS wakes threads that then spin beside other searches.
    """
    scores: NDArray[np.float32] = np.einsum("nd,d->n", rows, embedding)
    return scores
