"""Write and open one partition: base, delta, masks of deleted rows and sample, in files named after one generation.

A base that did not change keeps its files, so that storing a few new rows of a large partition writes only those rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexers.arrays import Embeddings, Mask
from indexers.errors import DamagedIndexError
from indexers.faiss_index import FaissIndex, IndexState, empty_delta
from indexers.manifest import StoredPartition
from indexers.row_group import RowGroup
from indexers.spec import IndexConfig
from indexers.stored_files import StoredFile, load_row_group, read_ahead, store_array, store_row_group

SAMPLE_ROWS = 512
"""Rows of the fixed sample against which `calibrate` makes scores comparable."""


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
            return _with_mask(store_row_group(base, directory, stem), base, directory, f"{stem}.base")
        if self._written.deleted is base.deleted:
            return self._written.files
        return _with_mask(self._written.files, base, directory, f"{stem}.base")


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
