"""`Item`: one row of the corpus as the catalog knows it, without its vector."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from unite_search.modality import ModalityName


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file, or a segment or passage of one.

    Attributes:
        id: in the collection; never given twice.
        parent: id shared by all items of one file.
        modality: what a person would call it: text, image or video.
        partition: everything it is made of, such as `text+image`.
        uri: absolute path of the file.
        content_hash: of the file's bytes.
        size_bytes: of the file.
        modified_at: the file's time, UTC.
        taken_at: when it was made, by its own metadata.
        start_s: first second, None where time has no meaning.
        end_s: end second.
        duration_s: of the whole file.
        width: pixels.
        height: pixels.
        text: passage or caption.
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
        """Read a row of the catalog that has `ITEM_COLUMNS`."""
        return cls(**{**row, "metadata": json.loads(row["metadata"] or "{}")})


ITEM_COLUMNS = tuple(column.name for column in fields(Item))
