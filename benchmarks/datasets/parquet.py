"""Parquet files as the hub stores sets: checked rows, and the pictures inside them as files.

A picture column holds `{bytes, path}`, as the library `datasets` writes it. Everything else here works on files, so
pictures are unpacked once, into a folder `unpacked` beside the parquet file; a later read finds them there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.annotations import Row
from benchmarks.datasets.base import DatasetError

UNPACKED = "unpacked"
ROWS_AT_ONCE = 16
"""Scanned pages are megabytes each."""


def read_parquet_rows(paths: Sequence[Path], columns: Iterable[str], *, pictures: str | None = None) -> Iterator[Row]:
    """The rows of the parts of one table, in order.

    Args:
        paths: its parts, sorted by name.
        columns: that must be there; all are handed out.
        pictures: a column whose pictures are unpacked, if there is one of this name; its cells become paths, or None.

    Raises:
        DatasetError: a part cannot be read, or lacks a column.
    """
    for path in paths:
        try:
            yield from _rows(path, columns, pictures)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path}: {error}") from error


def _rows(path: Path, columns: Iterable[str], pictures: str | None) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        there = file.schema_arrow.names
        if missing := [column for column in columns if column not in there]:
            raise DatasetError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(there)}")
        number = 0
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE if pictures in there else 65_536):
            for row in batch.to_pylist():
                number += 1
                if pictures in there:
                    row[pictures] = _unpacked(path, number, row[pictures])
                yield row


def _unpacked(parquet: Path, number: int, cell: Any) -> Path | None:
    """Write a picture, unless that was done since the parquet file was written."""
    if cell is None:
        return None
    if not isinstance(cell, dict) or not isinstance(cell.get("bytes"), bytes):
        raise DatasetError(f"{parquet}, row {number}: a picture is a {type(cell).__name__}; expected bytes and path")
    suffix = Path(cell.get("path") or "").suffix or ".png"
    picture = parquet.parent / UNPACKED / parquet.stem / f"{number:06}{suffix}"
    if not picture.is_file() or picture.stat().st_mtime_ns < parquet.stat().st_mtime_ns:
        picture.parent.mkdir(parents=True, exist_ok=True)
        whole = picture.with_name(f".{picture.name}.{os.getpid()}")
        whole.write_bytes(cell["bytes"])
        whole.replace(picture)
    return picture
