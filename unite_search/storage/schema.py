"""The columns of the catalog, under the names that filters use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


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
    ]
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required] + [pa.field(*column) for column in optional]
    )


def to_table(rows: Sequence[dict[str, Any]], dim: int) -> pa.Table:
    """Build a table of the catalog's schema; each row's `embedding` is (D,), missing columns become null."""
    columns = []
    for column in schema(dim):
        values = [row.get(column.name) for row in rows]
        if column.name == "embedding":
            flat = np.asarray(values, dtype=np.float16).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), dim))
        elif column.name == "metadata":
            columns.append(pa.ExtensionArray.from_storage(column.type, pa.array(values, pa.utf8())))
        else:
            columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=schema(dim))
