"""One partition, in memory and on disk: its row groups, its sample, and its files with their checksums.

A base that did not change keeps its files, and the sample is taken from the base. The rows added since are written as
the tail, in segments that are merged in tiers, so storing a few new rows writes little more than those rows. The
rows are a plain Faiss index, as is the approximate index over their positions; the ids and the mask of deleted rows are
`.npy`. They are opened through memory maps, and read ahead if they will be scanned. No file name is ever used twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from indexers.stored_file import StoredFile, store, store_array
from indexers.tiers import full_tier, tier_of
from indexers.tune import Tuning

SAMPLE_ROWS = 512
"""Rows of the fixed sample against which `calibrate` makes scores comparable."""
MOST_TAIL_ROWS = 1024
"""Rows of the tail of a partition with an approximate index: they are encoded again whenever it is opened."""
ADVISE_BYTES = 1 << 17
"""Linux reads no more than this ahead for one request, however much is requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """One partition on disk.

    Attributes:
        spec: the kind of its base.
        count: number of live rows.
        base: the files of the base, by what they hold.
        delta: the files of the rows added since with their approximate index, and the mask of deleted rows of delta
            and tail; empty if there are none.
        tail: the newest rows of the delta, one file of ids and rows for each segment, oldest first.
        sample: the fixed sample for `calibrate`, stored so that a query need not collect it.
        tuning: the measured curve.
    """

    spec: str
    count: int
    base: dict[str, StoredFile]
    delta: dict[str, StoredFile]
    tail: list[StoredFile]
    sample: StoredFile
    tuning: Tuning | None

    @property
    def files(self) -> list[StoredFile]:
        """All files of the partition."""
        return [*self.base.values(), *self.delta.values(), *self.tail, self.sample]

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
            tail=[StoredFile(**file) for file in content.get("tail", [])],
            sample=StoredFile(**content["sample"]),
            tuning=_tuning(content["tuning"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """A row group on disk: its files, and the row group and the mask of deleted rows that they hold."""

    files: dict[str, StoredFile]
    group: RowGroup
    deleted: Mask | None


@dataclass(frozen=True, slots=True, eq=False)
class _WrittenDelta(_Written):
    """A delta on disk: how many of its rows the files hold, and the segments of the tail with their sizes."""

    count: int = 0
    tail: tuple[tuple[int, StoredFile], ...] = ()


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
        self._delta: _WrittenDelta | None = None
        self._sample: tuple[RowGroup | None, Embeddings, StoredFile | None] | None = None
        self._is_read_ahead = False
        self._rows_file: StoredFile | None = None

    def changed(self) -> None:
        """Note that the index has changed since its files were written."""
        self.stored = None
        if self._sample is not None and self._sample[0] is None:
            self._sample = None

    def sample(self) -> Embeddings:
        """Return at most `SAMPLE_ROWS` rows, spread evenly; the same as long as the base does not change."""
        source = self.index._sampled_group
        if self._sample is None or self._sample[0] is not source:
            self._sample = source, self.index.sample(SAMPLE_ROWS), None
        return self._sample[1]

    def store(self, directory: Path, stem: str) -> StoredPartition:
        """Write what is not on disk yet, after compacting the index if it needs it."""
        if self.index.needs_compaction:
            self.index.compact()
        state = self.index._state
        base = self._store_base(state.base, directory, stem)
        self._delta = self._store_delta(state.delta, directory, stem)
        self.stored = StoredPartition(
            spec=state.spec,
            count=len(self.index),
            base=base,
            delta=self._delta.files,
            tail=[file for _, file in self._delta.tail],
            sample=self._store_sample(directory / f"{stem}.sample.npy"),
            tuning=state.tuning,
        )
        self._written = _Written(base, state.base, state.base.deleted)
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
            read_ahead(directory, self._written.files, self._written.group)
        self._is_read_ahead = True

    @classmethod
    def load(cls, directory: Path, stored: StoredPartition, *, dim: int, config: IndexConfig) -> Partition:
        """Open a stored partition.

        Raises:
            DamagedIndexError: a file is missing, damaged, or does not fit the others.
        """
        base = load_row_group(directory, stored.base, dim=dim)
        delta, segments = load_delta(directory, stored, base)
        index = FaissIndex._of_state(IndexState(stored.spec, base, delta, stored.tuning), dim, config)
        if len(index) != stored.count:
            raise DamagedIndexError(f"{len(index)} rows, expected {stored.count}")
        partition = cls(index)
        partition.stored = stored
        partition._written = _Written(stored.base, base, base.deleted)
        count = len(delta) - sum(segments)
        tail = tuple(zip(segments, stored.tail, strict=True))
        partition._delta = _WrittenDelta(stored.delta, delta, delta.deleted, count, tail)
        partition._sample = index._sampled_group, _load_sample(directory, stored.sample, dim), stored.sample
        return partition

    def _store_base(self, base: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
        if self._written is None or self._written.group is not base:
            files = store_row_group(base, directory, stem, rows_file=self._rows_file if base.rows.file else None)
            return _with_mask(files, base, directory, f"{stem}.base")
        if self._written.deleted is base.deleted:
            return self._written.files
        return _with_mask(self._written.files, base, directory, f"{stem}.base")

    def _store_delta(self, delta: RowGroup, directory: Path, stem: str) -> _WrittenDelta:
        """Write the rows that are new as one segment, together with those segments that shall be merged with it."""
        known = self._delta
        if known is None or known.group is not delta:
            known = _WrittenDelta({}, delta, None)
        files, count, tail = dict(known.files), known.count, list(known.tail)
        sizes = [*(size for size, _ in tail), len(delta) - count - sum(size for size, _ in tail)]
        if delta.approximate is not None and len(delta) - count > MOST_TAIL_ROWS:
            files, count, tail = store_row_group(delta, directory, f"{stem}.delta"), len(delta), []
        elif sizes[-1]:
            tier = full_tier(sizes)
            kept = next((n for n, size in enumerate(sizes) if tier is not None and tier_of(size) <= tier), len(tail))
            first = count + sum(sizes[:kept])
            segment = store_segment(directory / f"{stem}.tail.npy", delta, first)
            tail = [*tail[:kept], (len(delta) - first, segment)]
        if delta.deleted is not None and (delta.deleted is not known.deleted or "deleted" not in files):
            files = _with_mask(files, delta, directory, f"{stem}.delta")
        return _WrittenDelta(files, delta, delta.deleted, count, tuple(tail))

    def _store_sample(self, path: Path) -> StoredFile:
        sample = self.sample()
        if self._sample is not None and self._sample[2] is not None:
            return self._sample[2]
        file = store_array(path, sample)
        self._sample = self.index._sampled_group, sample, file
        return file


def store_segment(path: Path, delta: RowGroup, first: int) -> StoredFile:
    """Write the ids and rows of a delta from the position `first` on, as one array of pairs."""
    rows = delta.rows.take(slice(first, len(delta)))
    pairs = np.empty(len(rows), [("id", np.int64), ("row", delta.rows.dtype, (delta.rows.dim,))])
    pairs["id"], pairs["row"] = delta.all_ids[first:], rows
    return store_array(path, pairs)


def load_delta(directory: Path, stored: StoredPartition, base: RowGroup) -> tuple[RowGroup, list[int]]:
    """Open the delta of a partition with its tail; return it and the sizes of the tail's segments.

    Raises:
        DamagedIndexError: a file is missing, damaged, or does not fit the others.
    """
    files = {role: file for role, file in stored.delta.items() if role != "deleted"}
    delta = load_row_group(directory, files, dim=base.rows.dim, is_growing=True) if files else empty_delta(base)
    segments = [_load_checked(directory, file) for file in stored.tail]
    for segment in segments:
        if segment.dtype.names != ("id", "row") or segment["row"].shape[1:] != (base.rows.dim,):
            raise DamagedIndexError(f"a segment of the tail has type {segment.dtype}")
    if segments:
        rows = np.ascontiguousarray(np.concatenate([segment["row"] for segment in segments]), np.float32)
        delta.add(np.concatenate([segment["id"] for segment in segments]), rows)
    if "deleted" in stored.delta:
        delta.deleted = _mask(_load_checked(directory, stored.delta["deleted"]), len(delta))
    return delta, [len(segment) for segment in segments]


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
        packed = np.load(directory / files["deleted"].name, allow_pickle=False) if "deleted" in files else None
        approximate = _load_approximate(directory, files, flags)
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise DamagedIndexError(f"{files['rows'].name if 'rows' in files else 'a row group'} cannot be read") from error
    deleted = None if packed is None else _mask(packed, len(rows))
    lengths = {len(part) for part in (rows, ids, approximate) if part is not None}
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


def _load_approximate(directory: Path, files: dict[str, StoredFile], flags: int) -> ApproximateIndex | None:
    if "index" not in files:
        return None
    trained = (directory / files["trained"].name).read_bytes()
    return wrapped(faiss.read_index(str(directory / files["index"].name), flags), trained)


def _with_mask(files: dict[str, StoredFile], group: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    if group.deleted is None:
        return files
    return {**files, "deleted": store_array(directory / f"{stem}.deleted.npy", np.packbits(group.deleted))}


def _mask(stored: NDArray[Any], count: int) -> Mask:
    """Return the mask of `count` rows, which is stored as bits; older versions stored one byte for each row.

    Raises:
        DamagedIndexError: it is that of another number of rows.
    """
    if len(stored) != (count if stored.dtype == np.bool_ else -(-count // 8)):
        raise DamagedIndexError(f"a mask of deleted rows has {len(stored)} bytes, which does not fit {count} rows")
    mask: Mask = stored if stored.dtype == np.bool_ else np.unpackbits(stored, count=count).astype(np.bool_)
    return mask


def _load_sample(directory: Path, file: StoredFile, dim: int) -> Embeddings:
    sample: Embeddings = _load_checked(directory, file)
    if sample.ndim != 2 or sample.shape[1] != dim:
        raise DamagedIndexError(f"{file.name} has shape {sample.shape}; expected (n, {dim})")
    return sample


def _load_checked(directory: Path, file: StoredFile) -> NDArray[Any]:
    """Read a whole array into memory and compare its checksum."""
    problem = file.problem(directory, is_thorough=True)
    if problem:
        raise DamagedIndexError(f"{file.name}: {problem}")
    try:
        array: NDArray[Any] = np.load(directory / file.name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedIndexError(f"{file.name} cannot be read") from error
    return array


def _tuning(content: dict[str, Any] | None) -> Tuning | None:
    if content is None:
        return None
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    lists["recalls"] = tuple(tuple(row) for row in content["recalls"])
    return Tuning(**{**content, **lists})
