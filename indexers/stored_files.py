"""The files of a segment: written with checksums, opened through memory maps, read ahead where all will be scanned.

The rows are a plain Faiss index, so is the approximate index over their positions; ids and the mask of dead rows are
`.npy`. Nothing is ever written twice under one name.
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

from indexers.approximate import ApproximateIndex, Scan, kind_of
from indexers.engine import faiss
from indexers.errors import DamagedIndexError
from indexers.flat import FlatVectors
from indexers.row_group import RowGroup

HASH_BYTES = 16
READ_BYTES = 1 << 20
ADVISE_BYTES = 1 << 17
"""Linux reads ahead no more than this for one request, however much it asks for."""
PROBES = 16
PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file and how to know it again.

    Attributes:
        name: in the folder of the index.
        size_bytes: its length.
        checksum: BLAKE2b of all of it, compared by `verify`.
        probe: BLAKE2b of 16 of its pages, compared on opening, where reading all would cost seconds.
    """

    name: str
    size_bytes: int
    checksum: str
    probe: str

    def problem(self, directory: Path, *, is_thorough: bool) -> str | None:
        """What is wrong with the file, or None."""
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
    """Let `write` fill a new file; it is on disk when this returns."""
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
    """Write a numpy array."""
    return store(path, lambda stream: np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False))


def store_segment(segment: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    """Write everything of a segment but its mask; returns the files by what they hold."""
    files = {
        "rows": store_index(directory / f"{stem}.rows.faiss", segment.rows.index),
        "ids": store_array(directory / f"{stem}.ids.npy", segment.all_ids),
    }
    if segment.kind is not None:
        trained = segment.kind.trained
        files["index"] = store_index(directory / f"{stem}.index.faiss", segment.kind.index)
        files["trained"] = store(directory / f"{stem}.trained.faiss", lambda stream: stream.write(trained))
    return files


def store_index(path: Path, index: Any) -> StoredFile:
    """Write a Faiss index."""
    return store(path, lambda stream: faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write)))


def load_segment(directory: Path, files: dict[str, StoredFile], *, dim: int, is_growing: bool = False) -> RowGroup:
    """Open a segment.

    Args:
        directory: of the files.
        files: by what they hold.
        dim: D, as expected.
        is_growing: copy it to memory, so that rows can be added; otherwise it is not even read.

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
        dead = np.load(directory / files["dead"].name, allow_pickle=False) if "dead" in files else None
        kind = _load_kind(directory, files, flags)
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise DamagedIndexError(f"{files['rows'].name if 'rows' in files else 'a segment'} cannot be read") from error
    lengths = {len(rows), len(ids), *([len(dead)] if dead is not None else []), *([len(kind)] if kind else [])}
    if rows.dim != dim or len(lengths) > 1:
        raise DamagedIndexError(f"{files['rows'].name} holds {len(rows)} rows of length {rows.dim}; expected {dim}")
    return RowGroup(rows, ids, kind, dead)


def read_ahead(directory: Path, files: dict[str, StoredFile], segment: RowGroup) -> None:
    """Ask the system to read in order what the first search will scan; page by page a cold disk takes minutes.

    A file that a writer has replaced meanwhile is passed over: what is mapped of it can be searched all the same.
    """
    advise = getattr(os, "posix_fadvise", None)
    if advise is None or not (segment.kind is None or isinstance(segment.kind, Scan)):
        return
    scanned = files["index" if segment.kind else "rows"]
    with suppress(FileNotFoundError), (directory / scanned.name).open("rb") as stream:
        for start in range(0, scanned.size_bytes, ADVISE_BYTES):
            advise(stream.fileno(), start, ADVISE_BYTES, os.POSIX_FADV_WILLNEED)


def probe(path: Path) -> str:
    """BLAKE2b of pages spread evenly over a file, first and last among them."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    size = path.stat().st_size
    with path.open("rb") as stream:
        for start in np.linspace(0, max(0, size - PROBE_BYTES), PROBES).astype(np.int64):
            stream.seek(int(start))
            digest.update(stream.read(PROBE_BYTES))
    return digest.hexdigest()


def checksum(path: Path) -> str:
    """BLAKE2b of a whole file."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _load_kind(directory: Path, files: dict[str, StoredFile], flags: int) -> ApproximateIndex | None:
    if "index" not in files:
        return None
    trained = (directory / files["trained"].name).read_bytes()
    return kind_of(faiss.read_index(str(directory / files["index"].name), flags), trained)
