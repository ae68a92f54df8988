"""Encode a query: read its files, embed all parts together, and subtract what is excluded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexers.unit import unit_rows
from unite_search.content import Content, Part
from unite_search.encoders.base import Encoder, encode
from unite_search.media.load import load_clip, load_image
from unite_search.query import Query

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """An encoded query.

    Attributes:
        embedding: (D,) float32 unit vector.
        content_hashes: hashes of the files it was made from.
        kind: what it was made of, named as a partition: `text`, `image`, `text+image`, ...
    """

    embedding: NDArray[np.float32]
    content_hashes: frozenset[str] = frozenset()
    kind: str = "text"


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
    hashes = frozenset(content_hash for _, content_hash in loaded)
    return QueryVector(combine(embeddings), hashes, kind=main.modalities.partition)


def combine(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Combine the (1 + n, D) embeddings of a query and of n excluded texts into one (D,) unit vector."""
    if len(embeddings) == 1:
        return np.asarray(embeddings[0], np.float32)
    return unit_rows(embeddings[0] - NEGATIVE_WEIGHT * embeddings[1:].mean(axis=0))
