"""Queries and answers: `Query`, `SearchOptions`, `Hit`, `Evidence`, `SearchResult`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from unite_search.modality import Modality, ModalityName

PathArgument = str | PathLike[str]
"""A path, as text or as a path object."""
Mode = Literal["auto", "meaning", "words"]
"""How the texts of a query are used: by meaning and words together, or by one of them alone."""
PartKind = Literal["image", "video", "text"]
GroupBy = Literal["item", "parent", "folder", "day"]
"""What makes one hit: an item, all items of a file, of a folder, or of a day."""
MAX_WEIGHT = 10.0


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
        mode: whether texts are looked for by meaning, by their words, or by both (`auto`). With `auto` and `words`,
            `"quoted words"` must occur and `-word` must not; with `meaning`, a text is taken as it is.
        weights: how much the images, videos and texts count, from 0; a kind that is not named counts 1.
        like: ids of items to move towards.
        unlike: ids of items to move away from.

    Raises:
        ValueError: there is nothing to search with, a text is blank, or a weight is not usable.
    """

    texts: tuple[str, ...] = ()
    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    instruction: str | None = None
    mode: Mode = "auto"
    weights: Mapping[PartKind, float] = field(default_factory=dict)
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not (self.texts or self.images or self.videos or self.like):
            raise ValueError("a query needs a text, an image, a video or an item to be like")
        for text in (*self.texts, *self.exclude):
            if not text.strip():
                raise ValueError("a text of the query has no words in it")
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError("a text of the query is not valid Unicode")
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode is {self.mode!r}; expected one of {', '.join(get_args(Mode))}")
        if self.mode == "words" and (not self.texts or self._uses_vectors):
            raise ValueError("mode words looks up texts alone; leave out images, videos, exclusions and liked items")
        self._check_weights()

    def _check_weights(self) -> None:
        given: dict[str, Sequence[object]] = {"image": self.images, "video": self.videos, "text": self.texts}
        for kind, weight in self.weights.items():
            if not given.get(kind):
                raise ValueError(f"the query has no {kind} that could have the weight {weight:g}")
            if not 0 <= weight <= MAX_WEIGHT:
                raise ValueError(f"the weight of {kind} is {weight:g}; expected 0 to {MAX_WEIGHT:g}")
        weights: dict[str, float] = {kind: 1.0 for kind, parts in given.items() if parts} | dict(self.weights)
        if self.weights and not any(weights.values()):
            raise ValueError("all parts of the query have the weight 0")

    @property
    def _uses_vectors(self) -> bool:
        return bool(self.images or self.videos or self.exclude or self.like or self.unlike)

    @classmethod
    def of(
        cls,
        *texts: str,
        image: PathArgument | Sequence[PathArgument] = (),
        video: PathArgument | Sequence[PathArgument] = (),
        exclude: str | Sequence[str] = (),
        instruction: str | None = None,
        mode: Mode = "auto",
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
            mode=mode,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to answer a query.

    Attributes:
        top_k: hits to return.
        offset: hits to skip, for paging.
        modalities: `text`, `image`, `video`, or exact partitions such as `text+image`; empty means all.
        where: SQL expression over the catalog's columns.
        group_by: what makes one hit; its best item stands for it, the others are its `segments`.
        include_self: keep hits that are one of the query's own files.
        copies: return copies of a file as hits of their own, instead of behind the best of them.
        min_score: leave out what scores less.
        diverse: prefer hits that differ from those before them.
    """

    top_k: int = 10
    offset: int = 0
    modalities: tuple[str, ...] = ()
    where: str | None = None
    group_by: GroupBy = "parent"
    include_self: bool = False
    copies: bool = False
    min_score: float | None = None
    diverse: bool = False

    def __post_init__(self) -> None:
        if self.group_by not in get_args(GroupBy):
            raise ValueError(f"group_by is {self.group_by!r}; expected one of {', '.join(get_args(GroupBy))}")
        if self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected at least 1")
        if self.min_score is not None and not isfinite(self.min_score):
            raise ValueError(f"min_score is {self.min_score}; expected a number")
        if self.offset < 0:
            raise ValueError(f"offset is {self.offset}; expected 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a hit was found; `meaning`, `prior` and `words` add up to its score.

    Attributes:
        meaning: log-odds by the vectors. For an encoder without calibration, how much likelier than a random item of
            the partition, as a logarithm. None where no vector was asked.
        prior: log-odds of the partition, see `search.scoring`; 0 if the items of one partition competed alone.
        words: log-odds by the words.
        matched: what matched: `picture`, `clip`, `caption`, `passage`, `name`, `folder` or `keywords`, best first.
        terms: the words of the query that the item holds, without case and accents.
        spans: first character and the one behind the last of each such word in the text of the hit.
    """

    meaning: float | None = None
    prior: float = 0.0
    words: float = 0.0
    matched: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the score as people are shown them: `meaning`, `words` and `partition`, as far as they count."""
        parts = {"meaning": self.meaning, "words": self.words or None, "partition": self.prior or None}
        return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One returned item.

    Attributes:
        rank: from 1, continued over pages.
        id: the item's id in the collection.
        score: log-odds that the item is relevant, by which hits are sorted; comparable between all queries of one
            encoder that has a calibration, and between the partitions of one query otherwise.
        cosine: raw cosine similarity; comparable inside one partition only. None where no vector was asked.
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
        is_weak: whether the evidence is below the floor of the encoder: what is not there looks like this, too.
        is_exact: whether it holds the whole query, or a code or name of it, word for word.
        evidence: the parts of the score, and what matched.
        files: number of files that it stands for: 1, or those of the folder or day that were found.
        segments: other matching items of the same file, folder or day, best first; at most 200.
        copies: the best items of files that are copies of this one, best first.
        group: the folder, or the day as `2024-05-31`, that the hit stands for; None where a hit is a file or an item.
    """

    rank: int
    id: int
    score: float
    cosine: float | None
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
    is_weak: bool = False
    is_exact: bool = False
    evidence: Evidence = Evidence()
    files: int = 1
    segments: tuple[Hit, ...] = ()
    copies: tuple[Hit, ...] = ()
    group: str | None = None

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
        notes: what there is to say about the query, one sentence each.
    """

    hits: tuple[Hit, ...]
    searched: dict[str, int]
    encode_ms: float
    search_ms: float
    notes: tuple[str, ...] = ()

    @property
    def is_weak(self) -> bool:
        """Whether nothing close was found: there are hits, and all of them are weak."""
        return bool(self.hits) and all(hit.is_weak for hit in self.hits)
