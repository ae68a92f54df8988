"""The common form of all data sets: a gallery of entries, and queries with their right answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unite_search.errors import UniteSearchError


class DatasetError(UniteSearchError):
    """A file of a data set is missing, or does not have the published form."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or clip of a data set, whose file may be missing.

    Attributes:
        path: path of the file, which need not exist.
        modality: whether to decode it as an image or a video.
        frame_scores: published score of each frame of a clip, where frames are weighted; empty otherwise.
    """

    path: Path
    modality: Literal["image", "video"]
    frame_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One candidate of the gallery.

    Attributes:
        id: unique in the data set.
        media: a picture or clip.
        text: a text, alone or with the media.
        group: see `Question`.
    """

    id: str
    media: Media | None = None
    text: str | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query.

    Attributes:
        id: unique in the data set.
        media: the picture or clip of the query, such as the reference of an edit.
        text: the text of the query, such as the edit.
        relevant: grade of each right candidate, by id; empty where the answers are not published.
        reference: id of the candidate that is the query's own picture or clip.
        subset: ids of a smaller gallery that is scored as well, such as the image set of CIRR.
        group: part of the data set with a gallery of its own, such as a category.
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
    """A data set in memory; media are named by path and not read.

    Attributes:
        name: name on the command line.
        questions: the Q queries.
        gallery: the N candidates.

    Raises:
        DatasetError: two queries, or two candidates, have the same id.
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
        """Yield all pictures and clips, each path once."""
        seen: set[Path] = set()
        things: tuple[Entry | Question, ...] = (*self.gallery, *self.questions)
        for thing in things:
            if thing.media is not None and thing.media.path not in seen:
                seen.add(thing.media.path)
                yield thing.media
