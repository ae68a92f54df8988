"""Read the parquet files of data sets on the hub: check their rows, and unpack the pictures inside them.

A picture column holds `{bytes, path}`, as the library `datasets` writes it. All other code works on files, so pictures
are unpacked once, into a folder `unpacked` beside the parquet file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.annotations import Row
from benchmarks.datasets.dataset import DatasetError
from indexers.atomic import atomic_write

UNPACKED = "unpacked"
ROWS_AT_ONCE = 16
"""Rows read at one time where they contain pictures; a scanned page has several megabytes."""


def read_parquet_rows(paths: Sequence[Path], columns: Iterable[str], *, pictures: str | None = None) -> Iterator[Row]:
    """Yield the rows of all parts of one table, in order.

    Args:
        paths: the parts, sorted by name.
        columns: required columns; rows have all columns of the file.
        pictures: name of a column whose pictures are unpacked, if it exists; its cells become paths, or None.

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
    """Write a picture to a file, unless a file that is newer than the parquet file exists."""
    if cell is None:
        return None
    if not isinstance(cell, dict) or not isinstance(cell.get("bytes"), bytes):
        raise DatasetError(f"{parquet}, row {number}: a picture is a {type(cell).__name__}; expected bytes and path")
    suffix = Path(cell.get("path") or "").suffix or ".png"
    picture = parquet.parent / UNPACKED / parquet.stem / f"{number:06}{suffix}"
    if not picture.is_file() or picture.stat().st_mtime_ns < parquet.stat().st_mtime_ns:
        picture.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(picture) as stream:
            stream.write(cell["bytes"])
    return picture
