"""Damage for tests: rows that differ from their checksums, and flipped bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def rewrite(database: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change rows of a catalog behind the back of the checksums of rows, but with those of files."""
    table = lance.dataset(str(database / "catalog" / "items.lance"))
    lance.write_dataset(change(table.to_table()), table, mode="overwrite")
    (database / "catalog" / "checksums.b2").unlink()


def with_text(table: pa.Table, place: int, text: str) -> pa.Table:
    values = table["name"].to_pylist()
    values[place] = text
    return table.set_column(table.schema.get_field_index("name"), table.schema.field("name"), pa.array(values))


def with_vector(table: pa.Table, place: int) -> pa.Table:
    field = table.schema.field("embedding")
    vectors = np.array(table["embedding"].to_pylist(), np.float16)
    vectors[place] = vectors[place][::-1]
    made = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), field.type.list_size).cast(field.type)
    return table.set_column(table.schema.get_field_index("embedding"), field, made)
