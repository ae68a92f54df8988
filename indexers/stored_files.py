"""The files of a row group: written with checksums, opened through memory maps, read ahead if they will be scanned.

The rows are a plain Faiss index, as is the approximate index over their positions; the ids and the mask of deleted rows
are `.npy`. No file name is ever used twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from indexers.approximate import ApproximateIndex, Scan, wrapped
from indexers.engine import faiss
from indexers.errors import DamagedIndexError
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup

HASH_BYTES = 16
READ_BYTES = 1 << 20
ADVISE_BYTES = 1 << 17
"""Linux reads no more than this ahead for one request, however much is requested."""
PROBES = 16
PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file and its checksums.

    Attributes:
        name: name in the folder of the index.
        size_bytes: length of the file.
        checksum: BLAKE2b of the whole file, compared by `verify`.
        probe: BLAKE2b of 16 of its pages, compared on opening, where reading the whole file would take seconds.
    """

    name: str
    size_bytes: int
    checksum: str
    probe: str

    def problem(self, directory: Path, *, is_thorough: bool) -> str | None:
        """Return what is wrong with the file, or None.

        Args:
            directory: the folder of the index.
            is_thorough: compare the checksum of the whole file, not only that of 16 pages.
        """
        try:
            if (directory / self.name).stat().st_size != self.size_bytes:
                return "has another size"
            if probe(directory / self.name) != self.probe:
                return "checksum differs"
            if is_thorough and checksum(directory / self.name) != self.checksum:
                return "checksum differs"
        except OSError as error:
            return error.strerror or "cannot be read"
        return None


class _Hashing:
    """A binary stream that hashes what is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.digest = hashlib.blake2b(digest_size=HASH_BYTES)
        self._stream = stream

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)


def store(path: Path, write: Callable[[Any], object]) -> StoredFile:
    """Create a file by calling `write` with its stream; the bytes are on disk when this returns."""
    with path.open("wb") as stream:
        hashing = _Hashing(stream)
        write(hashing)
        stream.flush()
        os.fsync(stream.fileno())
    return StoredFile(
        name=path.name,
        size_bytes=path.stat().st_size,
        checksum=hashing.digest.hexdigest(),
        probe=probe(path),
    )


def store_array(path: Path, array: Any) -> StoredFile:
    """Write a NumPy array."""
    return store(path, lambda stream: np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False))


def store_row_group(group: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    """Write a row group without its mask of deleted rows; return the files by what they hold."""
    files = {
        "rows": store_index(directory / f"{stem}.rows.faiss", group.rows.index),
        "ids": store_array(directory / f"{stem}.ids.npy", group.all_ids),
    }
    if group.approximate is not None:
        trained = group.approximate.trained
        files["index"] = store_index(directory / f"{stem}.index.faiss", group.approximate.index)
        files["trained"] = store(directory / f"{stem}.trained.faiss", lambda stream: stream.write(trained))
    return files


def store_index(path: Path, index: Any) -> StoredFile:
    """Write a Faiss index."""
    return store(path, lambda stream: faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write)))


def load_row_group(directory: Path, files: dict[str, StoredFile], *, dim: int, is_growing: bool = False) -> RowGroup:
    """Open a row group.

    Args:
        directory: the folder of the files.
        files: the files by what they hold.
        dim: the expected D.
        is_growing: copy the files to memory, so that rows can be added; otherwise they are only memory-mapped.

    Raises:
        DamagedIndexError: a file is missing, damaged, or does not fit the others.
    """
    for file in files.values():
        problem = file.problem(directory, is_thorough=False)
        if problem:
            raise DamagedIndexError(f"{file.name}: {problem}")
    try:
        flags = 0 if is_growing else faiss.IO_FLAG_MMAP_IFC
        rows = FlatVectors(faiss.read_index(str(directory / files["rows"].name), flags))
        ids = np.asarray(np.load(directory / files["ids"].name, mmap_mode="r", allow_pickle=False))
        deleted = np.load(directory / files["deleted"].name, allow_pickle=False) if "deleted" in files else None
        approximate = _load_approximate(directory, files, flags)
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise DamagedIndexError(f"{files['rows'].name if 'rows' in files else 'a row group'} cannot be read") from error
    lengths = {len(part) for part in (rows, ids, approximate, deleted) if part is not None}
    if rows.dim != dim or len(lengths) > 1:
        raise DamagedIndexError(f"{files['rows'].name} holds {len(rows)} rows of length {rows.dim}; expected {dim}")
    return RowGroup(rows, ids, approximate, deleted)


def read_ahead(directory: Path, files: dict[str, StoredFile], group: RowGroup) -> None:
    """Ask the system to read sequentially what the first search will scan; page by page, a cold disk takes minutes.

    A file that a writer has replaced in the meantime is skipped: its memory map can still be searched.
    """
    advise = getattr(os, "posix_fadvise", None)
    if advise is None or not (group.approximate is None or isinstance(group.approximate, Scan)):
        return
    scanned = files["rows" if group.approximate is None else "index"]
    with suppress(FileNotFoundError), (directory / scanned.name).open("rb") as stream:
        for start in range(0, scanned.size_bytes, ADVISE_BYTES):
            advise(stream.fileno(), start, ADVISE_BYTES, os.POSIX_FADV_WILLNEED)


def probe(path: Path) -> str:
    """Return the BLAKE2b of pages spread evenly over a file, including the first and the last."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    size = path.stat().st_size
    with path.open("rb") as stream:
        for start in np.linspace(0, max(0, size - PROBE_BYTES), PROBES).astype(np.int64):
            stream.seek(int(start))
            digest.update(stream.read(PROBE_BYTES))
    return digest.hexdigest()


def checksum(path: Path) -> str:
    """Return the BLAKE2b of a whole file."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _load_approximate(directory: Path, files: dict[str, StoredFile], flags: int) -> ApproximateIndex | None:
    if "index" not in files:
        return None
    trained = (directory / files["trained"].name).read_bytes()
    return wrapped(faiss.read_index(str(directory / files["index"].name), flags), trained)
