"""Rows that are streamed to a Faiss file, so that a partition larger than the memory can be built.

The file is that of a plain `FlatVectors` index: what Faiss writes for one without rows, with the two numbers of rows
that it holds filled in, and the rows behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Embeddings, Positions
from indexers.engine import faiss
from indexers.errors import DimensionError
from indexers.spec import FLOAT32

COUNT_OFFSET, COUNT_BYTES = 8, 8
"""Where the header holds the number of rows: behind the four letters of the kind and D."""


def file_parts(index: Any, dtype: str, count: int, batches: Iterable[Embeddings]) -> Iterator[bytes]:
    """Yield the content of the file of `count` rows.

    Args:
        index: the Faiss index of the same kind without rows.
        dtype: `float32` or `float16`.
        count: N.
        batches: (n, D) float32 rows, N in all.

    Raises:
        DimensionError: there are more or fewer rows.
    """
    header = bytearray(faiss.serialize_index(index).tobytes())
    values = count * index.d
    header[COUNT_OFFSET : COUNT_OFFSET + COUNT_BYTES] = count.to_bytes(COUNT_BYTES, "little")
    length = values if dtype == FLOAT32 else 2 * values  # Faiss counts float32 rows in numbers, codes in bytes.
    header[-COUNT_BYTES:] = length.to_bytes(COUNT_BYTES, "little")
    yield bytes(header)
    written = 0
    for rows in batches:
        written += len(rows)
        yield np.ascontiguousarray(rows, dtype).tobytes()
    if written != count:
        raise DimensionError(f"{written} rows came; expected {count}")


class RowFile:
    """The rows in such a file, read without mapping it: mapped pages count as memory of the process.

    Around each row the system maps 64 KiB and more, so a few thousand rows here and there would map all of the file.
    """

    def __init__(self, path: Path, *, count: int, row_bytes: int) -> None:
        self._path = path
        self._row_bytes = row_bytes
        self._offset = path.stat().st_size - count * row_bytes

    def block(self, start: int, count: int) -> NDArray[np.uint8]:
        """Return the (n, bytes of a row) codes of at most `count` rows from `start` on."""
        place = self._offset + start * self._row_bytes
        return np.fromfile(self._path, np.uint8, count * self._row_bytes, offset=place).reshape(-1, self._row_bytes)

    def at(self, positions: Positions) -> NDArray[np.uint8]:
        """Return the (n, bytes of a row) codes at some positions."""
        found = np.empty((len(positions), self._row_bytes), np.uint8)
        with self._path.open("rb", buffering=0) as stream:
            for row, position in zip(found, positions.tolist(), strict=True):
                stream.seek(self._offset + position * self._row_bytes)
                stream.readinto(row.data)
        return found
