"""Rows of the catalog: from an embedded item of a file, or from the same item of a byte-identical file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unite_search.media.types import Draft, Facts, MediaFile
from unite_search.media.uri import path_to_uri
from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EmbeddedItem:
    """A draft after encoding, with its vector instead of its pixels."""

    modalities: Modality
    embedding: NDArray[np.float32]
    start_s: float | None
    end_s: float | None
    text: str | None

    @classmethod
    def of(cls, draft: Draft, embedding: NDArray[np.float32]) -> EmbeddedItem:
        """Keep what a row needs of a draft."""
        return cls(draft.content.modalities, embedding, draft.start_s, draft.end_s, draft.text)


def placed(row: Row, file: MediaFile) -> Row:
    """Return the row of an item for another file with the same bytes."""
    modified = datetime.fromtimestamp(file.mtime_ns / 1e9, timezone.utc).replace(tzinfo=None)
    return {
        **row,
        "uri": path_to_uri(file.path),
        "name": path_to_uri(Path(file.path.name)),
        "folder": path_to_uri(file.path.parent),
        "size_bytes": file.size_bytes,
        "mtime_ns": file.mtime_ns,
        "modified_at": modified,
    }


def new_row(file: MediaFile, content_hash: str, recipe: str, facts: Facts, item: EmbeddedItem) -> Row:
    """Return the row of a new item, without its ids."""
    row = {
        "modality": item.modalities.main,
        "partition": item.modalities.partition,
        "content_hash": content_hash,
        "recipe": recipe,
        "embedding": item.embedding,
        "taken_at": facts.taken_at,
        "start_s": item.start_s,
        "end_s": item.end_s,
        "duration_s": facts.duration_s,
        "width": facts.width,
        "height": facts.height,
        "text": item.text,
        "metadata": json.dumps(facts.metadata, ensure_ascii=False),
    }
    return placed(row, file)
