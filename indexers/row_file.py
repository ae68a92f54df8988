"""Rows that are streamed to a Faiss file, so that a partition larger than the memory can be built.

The file is that of a plain `FlatVectors` index: what Faiss writes for one without rows, with the two numbers of rows
that it holds filled in, and the rows behind it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from indexers.arrays import Embeddings
from indexers.engine import codes_of, faiss
from indexers.errors import DimensionError
from indexers.spec import FLOAT32

COUNT_OFFSET, COUNT_BYTES = 8, 8
"""Where the header holds the number of rows: behind the four letters of the kind and D."""
FLOAT32_UNIT = 4
"""Faiss counts float32 rows in numbers and codes in bytes."""
PAGE_BYTES = 4096
DONT_NEED = 4
"""`MADV_DONTNEED` of Linux and macOS; pages of a mapped file are read again when they are needed."""


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
    length = values if dtype == FLOAT32 else 2 * values
    header[-COUNT_BYTES:] = length.to_bytes(COUNT_BYTES, "little")
    yield bytes(header)
    written = 0
    for rows in batches:
        written += len(rows)
        yield np.ascontiguousarray(rows, dtype).tobytes()
    if written != count:
        raise DimensionError(f"{written} rows came; expected {count}")


def give_back_memory() -> None:
    """Have the C library return memory that it keeps for later, often hundreds of MB after much was allocated."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def release(index: Any) -> None:
    """Let go of the pages of a mapped index that were read, which the system counts as memory of this process.

    Rows that are not mapped from a file would be lost.
    """
    codes = codes_of(index)
    if not codes.size:
        return
    first = -(-codes.ctypes.data // PAGE_BYTES) * PAGE_BYTES
    last = (codes.ctypes.data + codes.nbytes) // PAGE_BYTES * PAGE_BYTES
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is not None and last > first:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), DONT_NEED)
