"""The requests and responses of the API as pydantic models, from which the OpenAPI document is made."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from unite_search.modality import ModalityName
from unite_search.query import MAX_WEIGHT, GroupBy, Mode, PartKind

MAX_ID = 2**63 - 1
MAX_OFFSET = 10_000
MAX_TOP_K = 200

ItemId = Annotated[int, Field(ge=0, le=MAX_ID)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]
Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT)]
UploadId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
UtcTime = Annotated[datetime, BeforeValidator(lambda time: time.replace(tzinfo=timezone.utc))]
LocalTime = Annotated[
    str,
    BeforeValidator(lambda time: time.isoformat()),
    Field(description="As the file states it, without a time zone.", examples=["2024-05-01T12:00:00"]),
]
PartitionName = Literal["text", "image", "video", "text+image", "text+video", "image+video", "text+image+video"]
Side = Annotated[Literal[160, 320, 640, 1280], BeforeValidator(int)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Scope(_Model):
    """Where to look, and how much to return."""

    modalities: list[PartitionName] = Field(
        [], max_length=7, description="Restrict to text, image or video, or to exactly text+image and the like."
    )
    where: str | None = Field(None, max_length=2000, description="Filter on columns, such as `duration_s < 60`.")
    top_k: int = Field(10, ge=1, le=MAX_TOP_K, description="Hits to return.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Hits to skip, for paging.")
    group_by: GroupBy = Field(
        "parent", description="What makes one hit: an item, or all items of a file (`parent`), of a folder or of a day."
    )
    copies: bool = Field(False, description="Return copies of a file as hits of their own.")
    min_score: float | None = Field(None, allow_inf_nan=False, description="Leave out what scores less.")
    diverse: bool = Field(False, description="Prefer hits that differ from those before them.")
    include_self: bool = Field(False, description="Keep hits that are the query's own files.")


class SimilarScope(Scope):
    """Where to look and how much to return, in the query string of a URL."""

    collection: str | None = Field(None, max_length=200, description="Collection name. Default: the first one served.")


class SearchRequest(Scope):
    """A search: its texts, uploads and items together are one composed query."""

    collection: str | None = Field(None, max_length=200, description="Collection name. Default: the first one served.")
    texts: list[Words] = Field([], max_length=8, description="What to look for, or how the result should differ.")
    uploads: list[UploadId] = Field([], max_length=4, description="Pictures and clips that were uploaded.")
    ids: list[ItemId] = Field([], max_length=4, description="Items of the collection, as examples.")
    exclude: list[Words] = Field([], max_length=8, description="Texts to move away from.")
    instruction: str | None = Field(
        None, min_length=1, max_length=1000, description="Replaces the encoder's task instruction."
    )
    mode: Mode = Field("auto", description="Look for texts by meaning, by their words, or by both.")
    weights: dict[PartKind, Weight] = Field({}, description="How much images, videos and texts count. Default: 1 each.")
    like: list[ItemId] = Field([], max_length=32, description="Items to move towards.")
    unlike: list[ItemId] = Field([], max_length=32, description="Items to move away from.")


class HitEvidence(_Model):
    """Why a hit was found; `meaning`, `prior` and `words` add up to its score."""

    meaning: float | None = Field(description="Log-odds by the vectors; null where only words were looked up.")
    prior: float = Field(description="Log-odds of the partition.")
    words: float = Field(description="Log-odds by the words.")
    matched: list[str] = Field(description="What matched: picture, clip, caption, passage, name, folder, keywords.")
    terms: list[str] = Field(description="Words of the query that the item holds.")
    spans: list[tuple[int, int]] = Field(
        description="First character and the one behind the last of each, in the text; by code points."
    )


class HitSegment(_Model):
    """Another item of the same file, folder or day, or of a copy of the file."""

    id: ItemId
    uri: str
    score: float
    cosine: float | None
    is_weak: bool = Field(description="Whether it is too far from the query to be called an answer.")
    is_exact: bool = Field(description="Whether it holds the query, or a code or name of it, word for word.")
    evidence: HitEvidence
    partition: str
    start_s: float | None
    end_s: float | None
    text: str | None


class Hit(HitSegment):
    """An item that was found; `score` is comparable across partitions within one query, `cosine` only within one."""

    rank: int
    modality: ModalityName
    parent: ItemId
    width: int | None
    height: int | None
    duration_s: float | None
    taken_at: LocalTime | None
    metadata: dict[str, Any]
    files: int = Field(description="Number of files that it stands for.")
    segments: list[HitSegment]
    copies: list[HitSegment] = Field(description="Copies of the file.")
    group: str | None = Field(description="The folder or the day that the hit stands for.")


class SearchResponse(_Model):
    """A page of hits, best first."""

    hits: list[Hit]
    next_offset: int | None = Field(description="The offset of the next page; null on the last one.")
    is_weak: bool = Field(description="Whether nothing close was found: all hits are weak.")
    notes: list[str] = Field(description="What there is to say about the query.")
    searched: dict[str, int] = Field(description="Items that competed, by partition.")
    encode_ms: float
    search_ms: float


class Item(_Model):
    """One item of a collection."""

    id: ItemId
    parent: ItemId
    modality: ModalityName
    partition: str
    uri: str
    content_hash: str
    size_bytes: int
    modified_at: UtcTime | None
    taken_at: LocalTime | None
    start_s: float | None
    end_s: float | None
    duration_s: float | None
    width: int | None
    height: int | None
    text: str | None
    metadata: dict[str, Any]


class Upload(_Model):
    """A picture or clip that can be searched with for a while."""

    id: UploadId
    modality: Literal["image", "video"]
    frames: int = Field(description="Number of frames side by side in the preview.")


class UploadUrl(_Model):
    """The URL of a picture or clip to fetch."""

    url: str = Field(min_length=8, max_length=2000)


class Progress(_Model):
    """The progress of a run of `index`."""

    stage: Literal["scan", "index", "compact", "done"]
    files_total: int
    files_done: int
    items: int = Field(description="Committed items.")
    embedded: int = Field(description="Contents that were embedded, of files that are finished or not.")
    skipped: int
    scan_finished: bool
    rate: float = Field(description="Files per second.")
    remaining_s: float | None


class Status(_Model):
    """The contents and state of a collection."""

    name: str
    encoder: str
    dim: int
    files: int
    items: dict[str, int] = Field(description="By partition.")
    size_bytes: int
    duplicates: int
    version: int
    is_ready: bool = Field(description="Whether queries can be answered.")
    problem: str | None = Field(description="Why it is not ready, or is not kept up to date.")
    indexing: Progress | None = Field(description="The run of `index` in progress, if there is one.")


class Collections(_Model):
    """The collections that are served, the default one first."""

    collections: list[Status]
    allow_write: bool
    allow_url: bool


class Encoder(_Model):
    """An encoder of the registry."""

    name: str
    is_default: bool
    is_loaded: bool
    dim: int | None
    modalities: list[str]


class Encoders(_Model):
    """The encoders, by name."""

    encoders: list[Encoder]


class Health(_Model):
    """The server is running, or is ready."""

    status: Literal["ok"]


class Token(_Model):
    """The token that the server was started with."""

    token: str = Field(min_length=1, max_length=1000)


class Removed(_Model):
    """The number of items that were removed."""

    removed: int


class Added(_Model):
    """The number of items that an added file yielded."""

    items: int


class Started(_Model):
    """A run of `index` was started; its progress is in the status."""

    status: Literal["started"]
