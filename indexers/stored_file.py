"""`StoredFile`: a file of an index and its checksums; how such files are written and compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from indexers.digest import HASH_BYTES

READ_BYTES = 1 << 20
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
