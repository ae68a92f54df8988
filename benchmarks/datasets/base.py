"""One form for every set: a gallery of entries, and queries that say which of them are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unite_search.errors import UniteSearchError


class DatasetError(UniteSearchError):
    """A file of a set is missing, or does not have the published form."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or clip of a set, which need not be there.

    Attributes:
        path: where it is, or would be.
        modality: how it is decoded.
        frame_scores: of a clip whose frames are weighted, the published score of each; empty without any.
    """

    path: Path
    modality: Literal["image", "video"]
    frame_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One candidate: a picture, a clip, a text, or one of the first two with a text; `group` as in `Question`."""

    id: str
    media: Media | None = None
    text: str | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query.

    Attributes:
        id: unique in the set.
        media: the reference that is edited, or what is searched with.
        text: the edit, or what is searched for.
        relevant: grade of each right candidate, by id; empty where the answers are not published.
        reference: id of the candidate that shows the reference itself.
        subset: ids of a smaller gallery that is scored as well, such as the image set of CIRR.
        group: part of the set with a gallery of its own, such as a category.
    """

    id: str
    media: Media | None = None
    text: str | None = None
    relevant: Mapping[str, float] = field(default_factory=dict)
    reference: str | None = None
    subset: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A set that was read.

    Attributes:
        name: as on the command line.
        questions: Q queries.
        gallery: N candidates, ids unique.
    """

    name: str
    questions: tuple[Question, ...]
    gallery: tuple[Entry, ...]

    def __post_init__(self) -> None:
        for what, things in (("query", self.questions), ("candidate", self.gallery)):
            seen: set[str] = set()
            for thing in things:
                if thing.id in seen:
                    raise DatasetError(f"{self.name}: two {what} rows have the id {thing.id!r}")
                seen.add(thing.id)

    def files(self) -> Iterator[Media]:
        """All pictures and clips, each path once."""
        seen: set[Path] = set()
        things: tuple[Entry | Question, ...] = (*self.gallery, *self.questions)
        for thing in things:
            if thing.media is not None and thing.media.path not in seen:
                seen.add(thing.media.path)
                yield thing.media
