"""Rows of the catalog and their columns, which have the names that filters use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from unite_search import strict_json
from unite_search.media.types import EARLIEST_NS, LATEST_NS, Draft, Facts, MediaFile
from unite_search.media.uri import path_to_uri
from unite_search.modality import Modality
from unite_search.storage.row_checksums import CHECKSUMS, PHASH, with_checksums
from unite_search.storage.vectors import storable
from unite_search.storage.words import WORDS, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class EmbeddedItem:
    """A draft after encoding, with its vector instead of its pixels."""

    modalities: Modality
    embedding: NDArray[np.float32]
    start_s: float | None
    end_s: float | None
    text: str | None
    phash: int | None = None

    @classmethod
    def of(cls, draft: Draft, embedding: NDArray[np.float32]) -> EmbeddedItem:
        """Keep what a row needs of a draft."""
        return cls(draft.content.modalities, embedding, draft.start_s, draft.end_s, draft.text, draft.phash)


def placed(row: Row, file: MediaFile) -> Row:
    """Return the row of an item for another file with the same bytes."""
    return {
        **row,
        "uri": path_to_uri(file.path),
        "name": path_to_uri(Path(file.path.name)),
        "folder": path_to_uri(file.path.parent),
        "size_bytes": file.size_bytes,
        "mtime_ns": file.mtime_ns,
        "modified_at": modified_at(file.mtime_ns),
    }


def modified_at(mtime_ns: int) -> datetime | None:
    """Return a modification time in UTC; None for one at or beyond the ends of what `mtime_ns` can hold."""
    if not EARLIEST_NS < mtime_ns < LATEST_NS:
        return None
    return EPOCH + timedelta(microseconds=mtime_ns // 1000)


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
        "metadata": strict_json.dumps(facts.metadata),
        PHASH: item.phash,
    }
    return placed(row, file)


def schema(dim: int) -> pa.Schema:
    """Return the schema of the table for vectors of length `dim`; embeddings are stored as float16."""
    required = [
        ("id", pa.int64()),
        ("parent", pa.int64()),
        ("modality", pa.utf8()),
        ("partition", pa.utf8()),
        ("uri", pa.utf8()),
        ("name", pa.utf8()),
        ("folder", pa.utf8()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("content_hash", pa.utf8()),
        ("recipe", pa.utf8()),
        ("embedding", pa.list_(pa.float16(), dim)),
    ]
    optional = [
        ("modified_at", pa.timestamp("us")),
        ("taken_at", pa.timestamp("us")),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("duration_s", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("text", pa.utf8()),
        ("metadata", pa.json_(pa.utf8())),
        *((name, pa.uint32()) for name in CHECKSUMS),
        (WORDS, pa.utf8()),
        (PHASH, pa.int64()),
    ]
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required] + [pa.field(*column) for column in optional]
    )


def filter_columns() -> list[str]:
    """Return the columns that a filter is meant to use: all but the vector and what the program keeps for itself."""
    return [name for name in schema(1).names if name not in ("embedding", "recipe", WORDS, PHASH, *CHECKSUMS)]


def to_table(rows: Sequence[dict[str, Any]], dim: int) -> pa.Table:
    """Build a table of the catalog's schema, with the checksums of its rows.

    Each row's `embedding` is (D,). Missing columns become null; checksums and words that a row brings are not used.

    Raises:
        UniteSearchError: a vector is not `dim` finite numbers of unit length.
    """
    columns = []
    for column in schema(dim):
        values = [None if column.name in CHECKSUMS else row.get(column.name) for row in rows]
        if column.name == WORDS:
            columns.append(pa.array(map(words_of, rows), pa.utf8()))
        elif column.name == "embedding":
            flat = storable(rows, dim).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), dim))
        elif column.name == "metadata":
            columns.append(pa.ExtensionArray.from_storage(column.type, pa.array(values, pa.utf8())))
        else:
            columns.append(pa.array(values, column.type))
    return with_checksums(pa.Table.from_arrays(columns, schema=schema(dim)))
