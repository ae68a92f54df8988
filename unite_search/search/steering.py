"""Steering: move a query towards items that a person likes and away from others.

    query + LIKED_WEIGHT * mean of the liked - UNLIKED_WEIGHT * mean of the unliked,    scaled to unit length

Source: Rocchio 1971, "Relevance feedback in information retrieval". The weights were chosen on train photos: larger
ones for what is liked find fewer other right photos, see docs/results/answers.json for photos that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import numpy as np

from indexers.unit import unit_rows
from unite_search.modality import Modality
from unite_search.search.encoding import QueryVector

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIKED_WEIGHT = 0.25
UNLIKED_WEIGHT = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An item of the collection that a person has judged: its (D,) unit vector, partition and the hash of its file."""

    embedding: NDArray[np.float32]
    partition: str
    content_hash: str


def steered(query: QueryVector | None, liked: Sequence[Example], unliked: Sequence[Example]) -> QueryVector:
    """Return a query that has been moved; without a query, the liked items are the query.

    The judged items count as files of the query: they are known already.

    Args:
        query: what was asked; None for nothing but liked items.
        liked: items to move towards; at least one if there is no query.
        unliked: items to move away from.
    """
    known = frozenset(one.content_hash for one in (*liked, *unliked))
    if query is None:
        query = QueryVector(_mean(liked), kind=_kind([], liked))
        liked = ()
    moved = query.embedding
    if liked:
        moved = moved + LIKED_WEIGHT * _mean(liked)
    if unliked:
        moved = moved - UNLIKED_WEIGHT * _mean(unliked)
    return replace(
        query,
        embedding=unit_rows(moved),
        content_hashes=query.content_hashes | known,
        kind=_kind([query.kind], liked),
        language=None if liked else query.language,
    )


def _mean(examples: Sequence[Example]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.mean([example.embedding for example in examples], axis=0, dtype=np.float32)
    return mean


def _kind(kinds: Sequence[str], liked: Sequence[Example]) -> str:
    parts = [Modality.from_partition(name) for name in (*kinds, *(one.partition for one in liked))]
    return reduce(or_, parts).partition
