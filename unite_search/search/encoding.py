"""Encode a query: read its files, embed all parts together, and subtract what is excluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexers.unit import unit_rows
from unite_search.content import Content, Part
from unite_search.encoders.base import Encoder, encode
from unite_search.media.load import load_clip, load_image
from unite_search.query import Mode, Query
from unite_search.search.words import NO_WORDS, Words, parse_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """An encoded query.

    Attributes:
        embedding: (D,) float32 unit vector; empty where only words are looked up.
        content_hashes: hashes of the files it was made from.
        kind: what it was made of, named as a partition: `text`, `image`, `text+image`, ...
        words: words to look up as well.
        mode: whether meaning, words or both count, see `Query`.
        is_foreign: whether the text is in a language that the encoder does not know, so that its vector says nothing.
    """

    embedding: NDArray[np.float32]
    content_hashes: frozenset[str] = frozenset()
    kind: str = "text"
    words: Words = NO_WORDS
    mode: Mode = "auto"
    is_foreign: bool = False


def encode_query(encoder: Encoder, query: Query) -> QueryVector:
    """Read the files of a query and encode all its parts in one call.

    Excluded texts are vector arithmetic: half of their mean vector is subtracted from the query's vector.

    Raises:
        UnreadableFileError: an image or clip of the query cannot be read.
    """
    loaded: list[tuple[Part, str]] = [load_image(path, encoder.media) for path in query.images]
    loaded += [load_clip(path, encoder.media) for path in query.videos]
    main, words = main_content([part for part, _ in loaded], query.texts, query.instruction)
    negatives = [Content((text,), instruction=query.instruction) for text in query.exclude]
    embeddings = encode(encoder, [main, *negatives], role="query")
    hashes = frozenset(content_hash for _, content_hash in loaded)
    return QueryVector(combine(embeddings), hashes, kind=main.modalities.partition, words=words)


def words_alone(texts: Sequence[str]) -> QueryVector:
    """Return a query that looks up words and has no vector.

    Raises:
        ValueError: the texts have no words to look for.
    """
    _, words = parse_all(texts)
    if not words.terms:
        raise ValueError("the query has no words to look for")
    return QueryVector(np.empty(0, np.float32), words=words, mode="words")


def main_content(media: Sequence[Part], texts: Sequence[str], instruction: str | None) -> tuple[Content, Words]:
    """Return what is encoded of a query, and the words to look up.

    Raises:
        ValueError: the texts only say what must not occur.
    """
    plain, words = parse_all(texts)
    if not (media or plain):
        raise ValueError("the query only says what must not occur; say what to look for, too")
    return Content((*media, *plain), instruction=instruction), words


def combine(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Combine the (1 + n, D) embeddings of a query and of n excluded texts into one (D,) unit vector."""
    if len(embeddings) == 1:
        return np.asarray(embeddings[0], np.float32)
    return unit_rows(embeddings[0] - NEGATIVE_WEIGHT * embeddings[1:].mean(axis=0))
