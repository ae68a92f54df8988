"""`Item`: one row of the corpus as the catalog knows it, without its vector."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

from unite_search import strict_json
from unite_search.modality import ModalityName


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file, a segment of a video, or a passage of a text.

    Attributes:
        id: unique in the collection, and never reused.
        parent: id that all items of one file share.
        modality: what a person would call it: text, image or video.
        partition: everything it is made of, such as `text+image`.
        uri: absolute path of the file.
        content_hash: hash of the file's bytes.
        size_bytes: size of the file.
        modified_at: modification time of the file, UTC.
        mtime_ns: the same in nanoseconds, by which a changed file is recognised.
        taken_at: when the picture was taken, according to the file.
        start_s: first second of the segment; None for an item without time.
        end_s: end of the segment.
        duration_s: length of the whole file.
        width: in pixels.
        height: in pixels.
        text: the passage or caption.
        metadata: the JSON sidecar's object.
    """

    id: int
    parent: int
    modality: ModalityName
    partition: str
    uri: str
    content_hash: str
    size_bytes: int
    modified_at: datetime | None = None
    mtime_ns: int | None = None
    taken_at: datetime | None = None
    start_s: float | None = None
    end_s: float | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: dict[str, Any]) -> Item:
        """Create an item from a row of the catalog with the columns `ITEM_COLUMNS`."""
        return cls(**{**row, "metadata": strict_json.loads(row["metadata"] or "{}")})


ITEM_COLUMNS = tuple(column.name for column in fields(Item))


def local_time(modified_at: datetime | None) -> datetime | None:
    """Return a modification time in the zone of this machine, as cameras write theirs; None stays None."""
    return modified_at and modified_at.replace(tzinfo=timezone.utc).astimezone()
