"""The two checksums of every row of the catalog, and the check of rows against them.

`vector_crc` is the CRC-32 of the id and the float16 vector; `row_crc` that of all other columns, each in one canonical
form, so that it does not matter how the engine stores them. CRC-32 finds every flipped bit and every burst of up to
32 bits; other damage passes with a chance of 1 in 4 billion. Two columns, because synchronising partitions reads
vectors and nothing else. Checksums are made from what is to be written, never from what was read back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unite_search import strict_json

VECTOR_CRC, ROW_CRC = "vector_crc", "row_crc"
CHECKSUMS = (VECTOR_CRC, ROW_CRC)
PHASH = "phash"
"""A column of format 4. Rows without a value have the checksum that they had in format 3, where there was no column."""
NUMBERS = (
    "id",
    "parent",
    "size_bytes",
    "mtime_ns",
    "modified_at",
    "taken_at",
    "start_s",
    "end_s",
    "duration_s",
    "width",
    "height",
)
TEXTS = ("modality", "partition", "uri", "name", "folder", "content_hash", "recipe", "text", "metadata")
INTEGERS_OF_JSON = range(-(2**63), 2**64)
"""Integers that the engine keeps exactly in JSON; it makes the others floats."""

_LONG = Struct("<q")
Checksums = NDArray[np.uint32]


def with_checksums(table: pa.Table) -> pa.Table:
    """Return a table whose checksum columns are those of its other columns."""
    made = {VECTOR_CRC: vector_checksums(table), ROW_CRC: row_checksums(table)}
    for name, values in made.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.uint32()))
    return table


def vector_checksums(table: pa.Table) -> Checksums:
    """Return the (n,) checksums of the ids and vectors of a table that has the columns `id` and `embedding`."""
    if not len(table):
        return np.empty(0, np.uint32)
    ids = table["id"].to_numpy().astype("<i8")
    return checksums_of(ids, vectors_of(table["embedding"]))


def checksums_of(ids: NDArray[np.int64], vectors: NDArray[np.float16]) -> Checksums:
    """Return the (n,) checksums of (n,) ids and (n, D) float16 vectors."""
    parts = ids.astype("<i8").reshape(-1, 1).view(np.uint8), np.ascontiguousarray(vectors.astype("<f2")).view(np.uint8)
    return _of_rows(np.hstack(parts))


def row_checksums(table: pa.Table) -> Checksums:
    """Return the (n,) checksums of everything but the vectors of a table that has all columns."""
    if not len(table):
        return np.empty(0, np.uint32)
    columns = [_numbers(table[name]) for name in NUMBERS] + [_texts(name, table[name]) for name in TEXTS]
    nulls = np.zeros(len(table), np.int64)
    for place, name in enumerate([*NUMBERS, *TEXTS]):
        nulls |= pc.is_null(_plain(table[name])).to_numpy().astype(np.int64) << place
    made = _of_rows(np.ascontiguousarray(np.column_stack([*columns, nulls]).astype("<i8")).view(np.uint8))
    return _with_phash(made, table[PHASH]) if PHASH in table.schema.names else made


def are_vectors_sound(table: pa.Table) -> NDArray[np.bool_]:
    """Return for each row with `id`, `embedding` and `vector_crc` whether its vector is as it was written."""
    return np.asarray(vector_checksums(table) == _stored(table[VECTOR_CRC]))


def are_rows_sound(table: pa.Table) -> NDArray[np.bool_]:
    """Return for each row of a table with all columns whether all but its vector is as it was written."""
    return np.asarray(row_checksums(table) == _stored(table[ROW_CRC]))


def are_sound(table: pa.Table) -> NDArray[np.bool_]:
    """Return for each row of a table with all columns whether all of it is as it was written."""
    return np.asarray(are_vectors_sound(table) & are_rows_sound(table))


@dataclass(frozen=True, slots=True, eq=False)
class CheckedRows:
    """Some rows and the result of their check.

    Attributes:
        table: all columns; where the rows could not be read, `id` and `uri` at most.
        vectors: (n,) whether the vector is as it was written; empty where the rows could not be read.
        others: (n,) whether all other columns are as they were written.
        problem: what kept the rows from being read; None where they were.
    """

    table: pa.Table
    vectors: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    others: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    problem: str | None = None

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> CheckedRows:
        """Check a batch that was read."""
        table = pa.Table.from_batches([batch])
        return cls(table, are_vectors_sound(table), are_rows_sound(table))


def _stored(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return stored checksums, -1 where there is none."""
    stored: NDArray[np.int64] = pc.fill_null(column.cast(pa.int64()), -1).to_numpy()
    return stored


def _with_phash(made: Checksums, column: pa.ChunkedArray) -> Checksums:
    """Continue the checksums of the rows that have a perceptual hash over its 8 bytes."""
    has_hash = pc.is_valid(column).to_numpy()
    values = map(_LONG.pack, column.drop_null().to_pylist())
    made[has_hash] = np.fromiter(map(crc32, values, made[has_hash].tolist()), np.uint32, np.count_nonzero(has_hash))
    return made


def _of_rows(rows: NDArray[np.uint8]) -> Checksums:
    return np.fromiter(map(crc32, rows), np.uint32, len(rows))


def vectors_of(column: pa.ChunkedArray) -> NDArray[np.float16]:
    """Return the (n, D) vectors of a column of lists of one length, which is not empty."""
    flat = pa.concat_arrays([chunk.flatten() for chunk in column.chunks])
    vectors: NDArray[np.float16] = flat.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return vectors


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the values as 64-bit patterns, 0 for null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    values = pc.fill_null(column, 0).to_numpy()
    bits: NDArray[np.int64] = values.view(np.int64) if values.dtype == np.float64 else values.astype(np.int64)
    return bits


def _texts(name: str, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the checksum of each text, 0 for null; equal texts are looked at once."""
    encoded = _plain(column).cast(pa.large_binary()).combine_chunks().dictionary_encode()
    form = _canonical_json if name == "metadata" else bytes
    made = _of_texts([form(value) for value in encoded.dictionary.to_pylist()])
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    looked_up: NDArray[np.int64] = np.append(made, 0)[codes]
    return looked_up


def _of_texts(values: Sequence[bytes]) -> NDArray[np.int64]:
    return np.fromiter(map(crc32, values), np.int64, len(values))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a column of JSON, and any other column as it is."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _canonical_json(value: bytes) -> bytes:
    """Return JSON as the engine gives it back, with keys sorted and numbers in the range that it keeps."""
    return b"{}" if value == b"{}" else _parsed_and_written(value)


@lru_cache(maxsize=1024)
def _parsed_and_written(value: bytes) -> bytes:
    try:
        content = json.loads(value, parse_int=_integer, parse_float=strict_json.finite)
    except ValueError:
        return value
    return json.dumps(content, sort_keys=True).encode("ascii")


def _integer(digits: str) -> int | float | None:
    return int(digits) if len(digits) < 22 and int(digits) in INTEGERS_OF_JSON else strict_json.finite(digits)
