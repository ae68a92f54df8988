"""The shards of a folder of exported vectors: found, checked against each other, and read in batches.

A shard is a `.npy` file of embeddings and the Parquet file of the same number, aligned by order. Nothing is created
before all headers are known to fit, and one batch is in memory at a time.

Source: rom1504/clip-retrieval clip_inference/writer.py (names, columns, alignment by order).
"""

from __future__ import annotations

import pickle
import struct
import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unite_search.errors import UniteSearchError
from unite_search.modality import Modality
from unite_search.storage.vectors import first_problem, scaled

BATCH_VALUES = 1 << 23
"""Numbers in the vectors of one batch: 32 MB in float32."""
MOST_BATCH_ROWS = 16_384
PARQUET_BUFFER_BYTES = 1 << 20
WIDEST = 8
"""Bytes of the widest float that is read."""
DAMAGE = (
    pa.ArrowException,
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    EOFError,
    SyntaxError,
    RecursionError,
    MemoryError,
    struct.error,
    pickle.PickleError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What NumPy and pyarrow raise over damaged headers and pages."""
REASONS = {
    "pickled": "it holds pickled Python objects, which are never loaded",
    "Python objects": "it holds Python objects, which are never loaded",
    "mmap length": "it is truncated",
    "memory mapped length": "its header is damaged",
    "negative dimensions": "its header is damaged",
}
"""What NumPy says of a `.npy` file, and what is said of it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One `.npy` file and what belongs to it.

    Attributes:
        embeddings: the `.npy` file.
        metadata: the Parquet file; None where the folder has none.
        modality: what the rows are made of.
        rows: N.
        dim: D.
    """

    embeddings: Path
    metadata: Path | None
    modality: Modality
    rows: int
    dim: int


@dataclass(frozen=True, slots=True, eq=False)
class ShardBatch:
    """(n, D) unit rows from row `start` of a shard on, and their metadata; None where there is none."""

    shard: Shard
    start: int
    vectors: NDArray[np.float32]
    metadata: pa.RecordBatch | None


def find_shards(directory: Path) -> list[Shard]:
    """Find the shards of a folder and read their headers.

    Raises:
        UniteSearchError: there are none, one cannot be read, or they do not fit together.
    """
    files = sorted([*directory.glob("*_emb/*_emb_*.npy"), *directory.glob("*/*_emb/*_emb_*.npy")])
    if not files:
        raise UniteSearchError(f"no img_emb/img_emb_*.npy or text_emb/text_emb_*.npy below {directory}")
    _refuse_lonely_metadata(files)
    shards = [_read_header(path, directory) for path in files]
    for shard in shards:
        if shard.dim != shards[0].dim:
            first = f"{shards[0].embeddings.name} {shards[0].dim}"
            raise UniteSearchError(f"{shard.embeddings} has vectors of {shard.dim} numbers, but {first}")
    if not any(shard.rows for shard in shards):
        raise UniteSearchError(f"the .npy files below {directory} have no rows")
    return shards


def read_shard(shard: Shard) -> Iterator[ShardBatch]:
    """Read a shard in batches; vectors are scaled to unit length.

    Raises:
        UniteSearchError: a file cannot be read, or a vector is not finite or all zeros; the message names file and row.
    """
    most = max(1, min(MOST_BATCH_ROWS, BATCH_VALUES // shard.dim))
    start = 0
    for metadata, count in _metadata_batches(shard, most):
        if start + count > shard.rows:
            break
        yield ShardBatch(shard, start, _vectors(shard, start, count), metadata)
        start += count
    if start != shard.rows:
        raise UniteSearchError(f"{shard.metadata} has another number of rows than its footer says")


@contextmanager
def naming(path: Path, *, row: int | None = None) -> Iterator[None]:
    """Turn what libraries raise over damaged content into one line that names the file, and the row where known."""
    place = f"{path}" if row is None else f"{path}, row {row}"
    try:
        yield
    except UniteSearchError:
        raise
    except DAMAGE as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UniteSearchError(f"{place}: cannot be read: {lines[0]}") from error
    except OSError as error:
        reason = error.strerror or (str(error).splitlines() or ["unreadable"])[0]
        raise UniteSearchError(f"{place}: cannot be read: {reason}") from error


def _read_header(path: Path, directory: Path) -> Shard:
    rows = _open(path)
    if rows.ndim != 2 or not rows.shape[1]:
        raise UniteSearchError(f"{path} has shape {rows.shape}; expected (rows, dimensions)")
    if rows.dtype.kind != "f" or rows.dtype.itemsize > WIDEST:
        raise UniteSearchError(f"{path} holds {rows.dtype.name}; expected float16, float32 or float64")
    folder = path.parent.parent
    shard = Shard(
        embeddings=path,
        metadata=_metadata_file(path),
        modality=_modality(path, folder, directory),
        rows=rows.shape[0],
        dim=rows.shape[1],
    )
    if shard.metadata is not None:
        with naming(shard.metadata), _parquet(shard.metadata) as content:
            count = content.metadata.num_rows
        if count != shard.rows:
            raise UniteSearchError(f"{path} has {shard.rows} rows, but {shard.metadata.name} has {count}")
    return shard


def _open(path: Path) -> NDArray[Any]:
    """Map a `.npy` file. The caller drops the map soon, because its pages count as memory of the process."""
    with naming(path):
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OverflowError) as error:
            reason = next((plain for words, plain in REASONS.items() if words in str(error)), None)
            raise ValueError(reason or str(error)) from error
    if not isinstance(rows, np.ndarray):
        raise UniteSearchError(f"{path} is an archive of arrays; expected one .npy array")
    return rows


def _modality(path: Path, folder: Path, directory: Path) -> Modality:
    if folder == directory:
        return Modality.TEXT if path.stem.startswith("text") else Modality.IMAGE
    with naming(folder):
        return Modality.from_partition(folder.name)


def _metadata_file(path: Path) -> Path | None:
    """Return the Parquet file of a shard.

    Raises:
        UniteSearchError: other shards of the folder have one, this one does not.
    """
    folder = path.parent.parent / "metadata"
    own = folder / f"metadata_{_number(path)}.parquet"
    if own.exists():
        return own
    if any(folder.glob("metadata_*.parquet")):
        raise UniteSearchError(f"{path} has no {own.name} in {folder}, while others are there")
    return None


def _refuse_lonely_metadata(files: list[Path]) -> None:
    """Refuse metadata whose vectors are missing: the folder is not complete.

    Raises:
        UniteSearchError: it is not.
    """
    for folder in {path.parent.parent for path in files}:
        numbers = {_number(path) for path in files if path.parent.parent == folder}
        for metadata in sorted(folder.glob("metadata/metadata_*.parquet")):
            if _number(metadata) not in numbers:
                raise UniteSearchError(f"{metadata} has no .npy file of the same number beside it")


def _number(path: Path) -> str:
    return path.stem.rsplit("_", 1)[1]


def _parquet(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, buffer_size=PARQUET_BUFFER_BYTES)


def _metadata_batches(shard: Shard, most: int) -> Iterator[tuple[pa.RecordBatch | None, int]]:
    """Yield the metadata of at most `most` rows after the other, with their number."""
    if shard.metadata is None:
        for start in range(0, shard.rows, most):
            yield None, min(most, shard.rows - start)
        return
    with naming(shard.metadata), _parquet(shard.metadata) as content:
        for batch in content.iter_batches(batch_size=most):
            if len(batch):
                yield batch, len(batch)


def _vectors(shard: Shard, start: int, count: int) -> NDArray[np.float32]:
    given = np.array(_open(shard.embeddings)[start : start + count])
    vectors = scaled(given)
    problem = first_problem(vectors)
    if problem is not None:
        place, reason = problem
        raise UniteSearchError(f"{shard.embeddings}, row {start + place}: {reason}")
    return vectors
