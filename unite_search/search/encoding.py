"""Encode a query: read its files, embed all parts together, weigh them, and subtract what is excluded.

A short text such as "dog" is not what encoders were trained on, which are captions. An encoder may therefore name
templates such as `there is a {}`. Each of them is filled with the short text, and the unit mean of their vectors stands
for it (prompt ensembling: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
section 3.1.4).

Parts of a query with weights are embedded together and, as far as one kind weighs more than another, also alone. With
m the least weight, the query is

    m * all parts + sum over kinds of (weight - m) * parts of the kind,    scaled to unit length

so that equal weights change nothing, and a kind of weight 0 does not count at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from indexers.unit import unit_rows
from unite_search.content import Content, Image, Part
from unite_search.encoders.base import Encoder, encode
from unite_search.errors import QueryError
from unite_search.media.load import load_clip, load_image
from unite_search.query import Mode, PartKind, Query
from unite_search.search.language import foreign_language
from unite_search.search.words import NO_WORDS, Words, parse_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVE_WEIGHT = 0.5
MOST_SHORT_WORDS = 3
"""A text of more words than this is encoded as it is."""
ARTICLES = frozenset({"a", "an", "the"})
PUNCTUATION = ".,;:!?*()-"


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """An encoded query.

    Attributes:
        embedding: (D,) float32 unit vector; empty where only words are looked up.
        content_hashes: hashes of the files it was made from.
        kind: what it was made of, named as a partition: `text`, `image`, `text+image`, ...
        words: words to look up as well.
        mode: whether meaning, words or both count, see `Query`.
        language: the language of a text that was looked up by its words, if the encoder does not know it, so that its
            vector says nothing.
    """

    embedding: NDArray[np.float32]
    content_hashes: frozenset[str] = frozenset()
    kind: str = "text"
    words: Words = NO_WORDS
    mode: Mode = "auto"
    language: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EncodingPlan:
    """What is encoded of a query, in one call.

    Attributes:
        groups: contents, the mean of which stands for one thing: a group for the query or for each of its weighted
            kinds, and then one for each excluded text.
        weights: of the groups of the query; the others are excluded.
        vector: the query without its embedding.
    """

    groups: tuple[tuple[Content, ...], ...]
    weights: tuple[float, ...]
    vector: QueryVector

    @property
    def contents(self) -> tuple[Content, ...]:
        """All contents, in order."""
        return tuple(content for group in self.groups for content in group)

    def embedding(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (D,) unit vector of the query, made of the (N, D) embeddings of the contents."""
        ends = np.cumsum([len(group) for group in self.groups])[:-1]
        groups = [group if len(group) == 1 else unit_rows(group.mean(axis=0))[None] for group in np.split(rows, ends)]
        parts, excluded = np.split(np.concatenate(groups), [len(self.weights)])
        main = parts[0] if len(parts) == 1 else unit_rows(np.asarray(self.weights, np.float32) @ parts)
        if not len(excluded):
            return np.asarray(main, np.float32)
        return unit_rows(main - NEGATIVE_WEIGHT * excluded.mean(axis=0))


def encode_query(encoder: Encoder, query: Query) -> QueryVector:
    """Read the files of a query and encode all its parts in one call.

    Excluded texts are vector arithmetic: half of their mean vector is subtracted from the query's vector.

    Raises:
        UnreadableFileError: an image or clip of the query cannot be read.
        QueryError: the texts say nothing to look for.
    """
    loaded: list[tuple[Part, str]] = [load_image(path, encoder.media) for path in query.images]
    loaded += [load_clip(path, encoder.media) for path in query.videos]
    plan = plan_encoding(encoder, query, [part for part, _ in loaded])
    embedding = plan.embedding(encode(encoder, plan.contents, role="query"))
    hashes = frozenset(content_hash for _, content_hash in loaded)
    return replace(plan.vector, embedding=embedding, content_hashes=hashes)


def plan_encoding(encoder: Encoder, query: Query, media: Sequence[Part]) -> EncodingPlan:
    """Return what is encoded of a query: itself, its weighted kinds, and the excluded texts.

    Args:
        encoder: the encoder, which names its languages and the templates for short texts.
        query: the texts, and all that is not a file.
        media: the pictures and clips of the query, read.

    Raises:
        QueryError: the texts say nothing to look for.
    """
    texts, words = (list(query.texts), NO_WORDS) if query.mode == "meaning" else parse_all(query.texts)
    parts = (*media, *texts)
    if not parts:
        raise QueryError("the query says nothing to look for, only marks or what must not occur")
    weighed = list(_weighed(parts, query))
    if not weighed:
        raise QueryError("what is left of the query without the marks has the weight 0")
    excluded = [(text,) for text in query.exclude]
    groups = [
        tuple(_in_templates(Content(some, instruction=query.instruction), encoder.short_text_templates))
        for some in (*(some for some, _ in weighed), *excluded)
    ]
    is_looked_up = query.mode == "auto" and not media
    language = foreign_language(" ".join(texts), encoder.languages) if encoder.languages and is_looked_up else None
    if media:  # Beside a picture, words say how the answer should differ.
        words = replace(words, terms=(), codes=())
    kind = Content(parts).modalities.partition
    vector = QueryVector(np.empty(0, np.float32), kind=kind, words=words, mode=query.mode, language=language)
    return EncodingPlan(tuple(groups), tuple(weight for _, weight in weighed), vector)


def words_alone(texts: Sequence[str]) -> QueryVector:
    """Return a query that looks up words and has no vector.

    Raises:
        QueryError: the texts have no words to look for.
    """
    _, words = parse_all(texts)
    if not words.terms:
        raise QueryError("the query has no words to look for")
    return QueryVector(np.empty(0, np.float32), words=words, mode="words")


def foreign_note(encoder: Encoder, language: str) -> str:
    """Return what to say about a query in a language that the encoder does not know."""
    known = ", ".join(sorted(encoder.languages or ()))
    return (
        f"the query seems to be {language}, and the encoder {encoder.name} knows only {known}; it was looked up by its "
        "words, and what is near by meaning is weak"
    )


def _weighed(parts: tuple[Part, ...], query: Query) -> Iterable[tuple[tuple[Part, ...], float]]:
    """Yield parts that are encoded together, and their weight."""
    kinds: dict[PartKind, tuple[Part, ...]] = {}
    for part in parts:
        kind: PartKind = "text" if isinstance(part, str) else "image" if isinstance(part, Image) else "video"
        kinds[kind] = (*kinds.get(kind, ()), part)
    weights = {kind: query.weights.get(kind, 1.0) for kind in kinds}
    least = min(weights.values())
    if least > 0:
        yield parts, least
    for kind, weight in weights.items():
        if weight > least:
            yield kinds[kind], weight - least


def _in_templates(content: Content, templates: Sequence[str]) -> list[Content]:
    """Put the one short text of a content into templates; return any other content as it is."""
    text = content.parts[0]
    name = short_name(text) if templates and len(content.parts) == 1 and isinstance(text, str) else None
    if name is None:
        return [content]
    return [Content((template.replace("{}", name),), instruction=content.instruction) for template in templates]


def short_name(text: str) -> str | None:
    """Return a text of up to three words without its article, or None if it is longer, or holds a code.

    Examples:
        >>> short_name("a red car"), short_name("IMG_2034"), short_name("a dog runs on the beach")
        ('red car', None, None)
    """
    first, *others = [word.strip(PUNCTUATION) for word in text.split(maxsplit=MOST_SHORT_WORDS + 1)] or [""]
    words = [word for word in (others if others and first.lower() in ARTICLES else [first, *others]) if word]
    is_short = len(words) <= MOST_SHORT_WORDS
    return " ".join(words) if words and is_short and all(_is_plain(word) for word in words) else None


def _is_plain(word: str) -> bool:
    return word.replace("-", "").replace("'", "").isalpha()
