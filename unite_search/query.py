"""Queries and answers: `Query`, `SearchOptions`, `Hit`, `SearchResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from unite_search.modality import Modality, ModalityName

PathArgument = str | PathLike[str]
"""A path, as text or as a path object."""


def _paths(given: PathArgument | Sequence[PathArgument]) -> tuple[Path, ...]:
    many = [given] if isinstance(given, (str, PathLike)) else given
    return tuple(Path(path).expanduser() for path in many)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of any mix of texts, images and videos, encoded together as one content.

    The parts reach the encoder in the order images, videos, texts.

    Attributes:
        texts: free texts, in order.
        images: image files.
        videos: video files.
        exclude: texts to move away from, by vector arithmetic on the encoded query.
        instruction: replaces the encoder's default task instruction.

    Raises:
        ValueError: there is nothing to search with, or a text is blank.
    """

    texts: tuple[str, ...] = ()
    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    instruction: str | None = None

    def __post_init__(self) -> None:
        if not (self.texts or self.images or self.videos):
            raise ValueError("a query needs a text, an image or a video")
        if not all(text.strip() for text in (*self.texts, *self.exclude)):
            raise ValueError("a text of the query has no words in it")

    @classmethod
    def of(
        cls,
        *texts: str,
        image: PathArgument | Sequence[PathArgument] = (),
        video: PathArgument | Sequence[PathArgument] = (),
        exclude: str | Sequence[str] = (),
        instruction: str | None = None,
    ) -> Query:
        """Build a query from loose arguments.

        Examples:
            >>> Query.of("make it red", image="q.jpg").texts
            ('make it red',)
        """
        return cls(
            texts=texts,
            images=_paths(image),
            videos=_paths(video),
            exclude=(exclude,) if isinstance(exclude, str) else tuple(exclude),
            instruction=instruction,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to answer a query.

    Attributes:
        top_k: hits to return.
        offset: hits to skip, for paging.
        modalities: `text`, `image`, `video`, or exact partitions such as `text+image`; empty means all.
        where: SQL expression over the catalog's columns.
        group: return one hit for each file, its best segment first.
        include_self: keep hits that are one of the query's own files.
    """

    top_k: int = 10
    offset: int = 0
    modalities: tuple[str, ...] = ()
    where: str | None = None
    group: bool = True
    include_self: bool = False

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected at least 1")
        if self.offset < 0:
            raise ValueError(f"offset is {self.offset}; expected 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One returned item.

    Attributes:
        rank: from 1, continued over pages.
        id: the item's id in the collection.
        score: calibrated score, by which hits are sorted; comparable between the partitions of one query.
        cosine: raw cosine similarity; comparable inside one partition only.
        partition: the partition it came from, such as `text+image`.
        uri: absolute path of the file.
        parent: id shared by all items of one file.
        start_s: first second of the segment; None for an item without time.
        end_s: end of the segment.
        text: the passage or caption.
        width: in pixels.
        height: in pixels.
        duration_s: length of the whole file.
        taken_at: when the picture was taken, according to the file.
        metadata: the JSON sidecar's object.
        segments: other matching items of the same file, best first, when grouping.
    """

    rank: int
    id: int
    score: float
    cosine: float
    partition: str
    uri: str
    parent: int
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    taken_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    segments: tuple[Hit, ...] = ()

    @property
    def modality(self) -> ModalityName:
        """What a person would call it: text, image or video."""
        return Modality.from_partition(self.partition).main


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The answer to one query.

    Attributes:
        hits: best first.
        searched: number of items searched, by partition.
        encode_ms: milliseconds to read and encode the query.
        search_ms: milliseconds from the query vector to the hits.
    """

    hits: tuple[Hit, ...]
    searched: dict[str, int]
    encode_ms: float
    search_ms: float
