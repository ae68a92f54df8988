"""Encode a query: read its files, embed all parts together, and subtract what is excluded.

A short text such as "dog" is not what encoders were trained on, which are captions. An encoder may therefore name
templates such as `there is a {}`. Each of them is filled with the short text, and the unit mean of their vectors stands
for it (prompt ensembling: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
section 3.1.4).
"""

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
MOST_SHORT_WORDS = 3
"""A text of more words than this is encoded as it is."""
ARTICLES = frozenset({"a", "an", "the"})


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


@dataclass(frozen=True, slots=True, eq=False)
class QueryContents:
    """What is encoded of a query, in one call.

    Attributes:
        contents: those of the query, then those of each excluded text.
        counts: how many contents stand for the query and for each excluded text.
        kind: what the query is made of, named as a partition.
        words: words to look up as well.
    """

    contents: tuple[Content, ...]
    counts: tuple[int, ...]
    kind: str
    words: Words

    def embedding(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (D,) unit vector of the query, made of the (N, D) embeddings of the contents."""
        ends = np.cumsum(self.counts)[:-1]
        groups = [group if len(group) == 1 else unit_rows(group.mean(axis=0))[None] for group in np.split(rows, ends)]
        return combine(np.concatenate(groups))


def encode_query(encoder: Encoder, query: Query) -> QueryVector:
    """Read the files of a query and encode all its parts in one call.

    Excluded texts are vector arithmetic: half of their mean vector is subtracted from the query's vector.

    Raises:
        UnreadableFileError: an image or clip of the query cannot be read.
    """
    loaded: list[tuple[Part, str]] = [load_image(path, encoder.media) for path in query.images]
    loaded += [load_clip(path, encoder.media) for path in query.videos]
    main, words = main_content([part for part, _ in loaded], query.texts, query.instruction)
    asked = query_contents(main, words, query.exclude, encoder.short_text_templates)
    embedding = asked.embedding(encode(encoder, asked.contents, role="query"))
    hashes = frozenset(content_hash for _, content_hash in loaded)
    return QueryVector(embedding, hashes, kind=asked.kind, words=words)


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


def query_contents(main: Content, words: Words, exclude: Sequence[str], templates: Sequence[str]) -> QueryContents:
    """Return all that is encoded of a query: itself and the excluded texts, short ones in the encoder's templates."""
    excluded = [Content((text,), instruction=main.instruction) for text in exclude]
    groups = [_in_templates(content, templates) for content in (main, *excluded)]
    contents = tuple(content for group in groups for content in group)
    return QueryContents(contents, tuple(map(len, groups)), main.modalities.partition, words)


def _in_templates(content: Content, templates: Sequence[str]) -> list[Content]:
    """Put the one short text of a content into templates; return any other content as it is."""
    text = content.parts[0]
    if not (templates and len(content.parts) == 1 and isinstance(text, str) and is_short(text)):
        return [content]
    return [Content((template.replace("{}", text),), instruction=content.instruction) for template in templates]


def is_short(text: str) -> bool:
    """Return whether a text is up to three words without an article: a name of a thing, not a sentence or a code."""
    words = text.split(maxsplit=MOST_SHORT_WORDS)
    if not 0 < len(words) <= MOST_SHORT_WORDS or words[0].lower() in ARTICLES:
        return False
    return all(word.replace("-", "").replace("'", "").isalpha() for word in words)


def combine(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Combine the (1 + n, D) embeddings of a query and of n excluded texts into one (D,) unit vector."""
    if len(embeddings) == 1:
        return np.asarray(embeddings[0], np.float32)
    return unit_rows(embeddings[0] - NEGATIVE_WEIGHT * embeddings[1:].mean(axis=0))
