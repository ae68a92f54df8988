"""One partition, in memory and on disk: its row groups, its sample, and its files with their checksums.

A base that did not change keeps its files, so storing a few new rows of a large partition writes only those rows. The
rows are a plain Faiss index, as is the approximate index over their positions; the ids and the mask of deleted rows are
`.npy`. They are opened through memory maps, and read ahead if they will be scanned. No file name is ever used twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from indexers.approximate import ApproximateIndex, Scan, wrapped
from indexers.arrays import Embeddings, Ids, Mask
from indexers.engine import faiss
from indexers.errors import DamagedIndexError
from indexers.faiss_index import FaissIndex, IndexState, dtype_for, empty_delta
from indexers.flat import FlatVectors
from indexers.memory import give_back_memory
from indexers.row_file import RowFile, file_parts
from indexers.row_group import RowGroup
from indexers.spec import IndexConfig
from indexers.tune import Tuning

SAMPLE_ROWS = 512
"""Rows of the fixed sample against which `calibrate` makes scores comparable."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """One partition on disk.

    Attributes:
        spec: the kind of its base.
        count: number of live rows.
        base: the files of the base, by what they hold.
        delta: the files of the rows added since; empty if there are none.
        sample: the fixed sample for `calibrate`, stored so that a query need not collect it.
        tuning: the measured curve.
    """

    spec: str
    count: int
    base: dict[str, StoredFile]
    delta: dict[str, StoredFile]
    sample: StoredFile
    tuning: Tuning | None

    @property
    def files(self) -> list[StoredFile]:
        """All files of the partition."""
        return [*self.base.values(), *self.delta.values(), self.sample]

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> StoredPartition:
        """Create the object from what `dataclasses.asdict` made of it.

        Raises:
            KeyError, TypeError, AttributeError: the content is not as it was written.
        """
        return cls(
            spec=content["spec"],
            count=content["count"],
            base={role: StoredFile(**file) for role, file in content["base"].items()},
            delta={role: StoredFile(**file) for role, file in content["delta"].items()},
            sample=StoredFile(**content["sample"]),
            tuning=_tuning(content["tuning"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """The base on disk: its files, and the row group and mask of deleted rows that they hold."""

    files: dict[str, StoredFile]
    base: RowGroup
    deleted: Mask | None


class Partition:
    """One partition in memory, and the files that hold it.

    Attributes:
        index: the rows.
        stored: its files; None if it has changed since they were written.
    """

    def __init__(self, index: FaissIndex) -> None:
        self.index = index
        self.stored: StoredPartition | None = None
        self._written: _Written | None = None
        self._sample: Embeddings | None = None
        self._is_read_ahead = False
        self._rows_file: StoredFile | None = None

    def changed(self) -> None:
        """Note that the index has changed since its files were written."""
        self.stored, self._sample = None, None

    def sample(self) -> Embeddings:
        """Return at most `SAMPLE_ROWS` rows, spread evenly; the same as long as the partition does not change."""
        if self._sample is None:
            self._sample = self.index.sample(SAMPLE_ROWS)
        return self._sample

    def store(self, directory: Path, stem: str) -> StoredPartition:
        """Write what is not on disk yet, after compacting the index if it needs it."""
        if self.index.needs_compaction:
            self.index.compact()
        state = self.index._state
        self.stored = StoredPartition(
            spec=state.spec,
            count=len(self.index),
            base=self._store_base(state.base, directory, stem),
            delta=_store_delta(state.delta, directory, stem) if len(state.delta) else {},
            sample=store_array(directory / f"{stem}.sample.npy", self.sample()),
            tuning=state.tuning,
        )
        self._written = _Written(self.stored.base, state.base, state.base.deleted)
        return self.stored

    @classmethod
    def streamed(
        cls, directory: Path, stem: str, rows: Iterable[tuple[Ids, Embeddings]], *, like: FaissIndex, count: int
    ) -> Partition:
        """Build a partition whose rows go to their file as they come, and are never in memory together.

        Args:
            directory: the folder of the index.
            stem: beginning of the file's name.
            rows: (n,) ids and (n, D) float32 rows.
            like: an index without rows, which has the dimension and the configuration.
            count: N, the number of rows in all.
        """
        dtype, path, ids = dtype_for(like.config.spec_for(count, like.dim)), directory / f"{stem}.rows.faiss", []

        def embeddings() -> Iterator[Embeddings]:
            for some, vectors in rows:
                ids.append(some)
                yield vectors

        parts = file_parts(FlatVectors.empty(like.dim, dtype).index, dtype, count, embeddings())
        file = store(path, lambda stream: [stream.write(part) for part in parts])
        give_back_memory()
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        flat = FlatVectors(index, file=RowFile(path, count=count, row_bytes=int(index.code_size)))
        partition = cls(FaissIndex._of_rows(flat, np.concatenate(ids), like.config))
        partition._rows_file = file
        return partition

    def read_ahead(self, directory: Path) -> None:
        """Before the first search, ask the system to read sequentially what will be scanned."""
        if not self._is_read_ahead and self._written is not None:
            read_ahead(directory, self._written.files, self._written.base)
        self._is_read_ahead = True

    @classmethod
    def load(cls, directory: Path, stored: StoredPartition, *, dim: int, config: IndexConfig) -> Partition:
        """Open a stored partition.

        Raises:
            DamagedIndexError: a file is missing, damaged, or does not fit the others.
        """
        base = load_row_group(directory, stored.base, dim=dim)
        delta = load_row_group(directory, stored.delta, dim=dim, is_growing=True) if stored.delta else empty_delta(base)
        index = FaissIndex._of_state(IndexState(stored.spec, base, delta, stored.tuning), dim, config)
        if len(index) != stored.count:
            raise DamagedIndexError(f"{len(index)} rows, expected {stored.count}")
        partition = cls(index)
        partition.stored = stored
        partition._written = _Written(stored.base, base, base.deleted)
        partition._sample = _load_sample(directory, stored.sample, dim)
        return partition

    def _store_base(self, base: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
        if self._written is None or self._written.base is not base:
            files = store_row_group(base, directory, stem, rows_file=self._rows_file if base.rows.file else None)
            return _with_mask(files, base, directory, f"{stem}.base")
        if self._written.deleted is base.deleted:
            return self._written.files
        return _with_mask(self._written.files, base, directory, f"{stem}.base")


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


def store_row_group(
    group: RowGroup, directory: Path, stem: str, *, rows_file: StoredFile | None = None
) -> dict[str, StoredFile]:
    """Write a row group without its mask of deleted rows, and without its rows where they have a file already.

    Returns:
        The files by what they hold.
    """
    files = {
        "rows": rows_file or store_index(directory / f"{stem}.rows.faiss", group.rows.index),
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


def _store_delta(delta: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    return _with_mask(store_row_group(delta, directory, f"{stem}.delta"), delta, directory, f"{stem}.delta")


def _with_mask(files: dict[str, StoredFile], group: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    if group.deleted is None:
        return files
    return {**files, "deleted": store_array(directory / f"{stem}.deleted.npy", group.deleted)}


def _load_sample(directory: Path, file: StoredFile, dim: int) -> Embeddings:
    problem = file.problem(directory, is_thorough=True)
    if problem:
        raise DamagedIndexError(f"{file.name}: {problem}")
    try:
        sample: Embeddings = np.load(directory / file.name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedIndexError(f"{file.name} cannot be read") from error
    if sample.ndim != 2 or sample.shape[1] != dim:
        raise DamagedIndexError(f"{file.name} has shape {sample.shape}; expected (n, {dim})")
    return sample


def _tuning(content: dict[str, Any] | None) -> Tuning | None:
    if content is None:
        return None
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    lists["recalls"] = tuple(tuple(row) for row in content["recalls"])
    return Tuning(**{**content, **lists})
