"""A cache of embeddings in one SQLite file, which a crash does not damage.

The key of an embedding covers everything that it depends on: the encoder's fingerprint, the bytes of the picture or
clip, how it was decoded, the text, the instruction and the role. Hashes of files are cached with size and mtime.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL
) WITHOUT ROWID;
"""
WAIT_S = 60.0


class EmbeddingCache:
    """Embeddings by key; a context manager. Several processes may use the same file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=WAIT_S)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(SCHEMA)

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Store embeddings by key in one transaction."""
        rows = ((key, vector.astype("<f4").tobytes()) for key, vector in vectors.items())
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)

    def get(self, keys: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings that are in the cache, by key."""
        found = {}
        for key in dict.fromkeys(keys):
            row = self._database.execute("SELECT vector FROM embeddings WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[key] = np.frombuffer(row[0], "<f4")
        return found

    def hash_of(self, path: Path) -> str | None:
        """Return the hash of a file; None if it is unknown or the file has changed since."""
        status = path.stat()
        row = self._database.execute(
            "SELECT hash FROM hashes WHERE path = ? AND size_bytes = ? AND mtime_ns = ?",
            (str(path.absolute()), status.st_size, status.st_mtime_ns),
        ).fetchone()
        return None if row is None else str(row[0])

    def remember_hash(self, path: Path, content_hash: str) -> None:
        """Store the hash of a file."""
        status = path.stat()
        row = (str(path.absolute()), status.st_size, status.st_mtime_ns, content_hash)
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", row)
