"""Writing and opening one partition: base, fresh rows, masks and sample, under names of one generation.

A base that did not change keeps its files, so storing a few new rows of a large partition writes those rows only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexers.engine import Embeddings, Mask
from indexers.errors import DamagedIndexError
from indexers.faiss_index import FaissIndex, State
from indexers.flat import FlatVectors
from indexers.manifest import StoredPartition
from indexers.row_group import RowGroup
from indexers.spec import IndexConfig
from indexers.stored_files import StoredFile, load_segment, read_ahead, store_array, store_segment

SAMPLE_ROWS = 512
"""Rows of the fixed sample, against which `merge` calibrates scores."""


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """The base that is on disk: its files, and its rows and mask as they were when it was written."""

    files: dict[str, StoredFile]
    base: RowGroup
    dead: Mask | None


class Partition:
    """One partition in memory, and what of it is on disk.

    Attributes:
        index: the rows.
        stored: its files; None once it has changed.
    """

    def __init__(self, index: FaissIndex) -> None:
        self.index = index
        self.stored: StoredPartition | None = None
        self._written: _Written | None = None
        self._sample: Embeddings | None = None
        self._is_read_ahead = False

    def changed(self) -> None:
        """Note that the files no longer tell the whole."""
        self.stored, self._sample = None, None

    def sample(self) -> Embeddings:
        """At most `SAMPLE_ROWS` rows, spread evenly; the same as long as the partition does not change."""
        if self._sample is None:
            self._sample = self.index.sample(SAMPLE_ROWS)
        return self._sample

    def store(self, directory: Path, stem: str) -> StoredPartition:
        """Write what is not on disk yet, after folding the index if that is due."""
        if self.index.is_due:
            self.index.fold()
        state = self.index.state
        self.stored = StoredPartition(
            spec=state.spec,
            count=len(self.index),
            base=self._store_base(state.base, directory, stem),
            fresh=_with_mask(store_segment(state.fresh, directory, f"{stem}.fresh"), state.fresh, directory, stem)
            if len(state.fresh)
            else {},
            sample=store_array(directory / f"{stem}.sample.npy", self.sample()),
            tuning=state.tuning,
        )
        self._written = _Written(self.stored.base, state.base, state.base.dead)
        return self.stored

    def read_ahead(self, directory: Path) -> None:
        """Before the first search: have the system read in order what will be scanned."""
        if not self._is_read_ahead and self._written is not None:
            read_ahead(directory, self._written.files, self._written.base)
        self._is_read_ahead = True

    @classmethod
    def load(cls, directory: Path, stored: StoredPartition, *, dim: int, config: IndexConfig) -> Partition:
        """Open a stored partition.

        Raises:
            DamagedIndexError: a file is missing, damaged, or does not fit the others.
        """
        base = load_segment(directory, stored.base, dim=dim)
        if stored.fresh:
            fresh = load_segment(directory, stored.fresh, dim=dim, is_growing=True)
        else:
            kind = base.kind.emptied() if base.kind else None
            fresh = RowGroup(FlatVectors.empty(dim, base.rows.dtype), np.empty(0, np.int64), kind)
        index = FaissIndex(dim, config, State(stored.spec, base, fresh, stored.tuning))
        if len(index) != stored.count:
            raise DamagedIndexError(f"{len(index)} rows, expected {stored.count}")
        partition = cls(index)
        partition.stored = stored
        partition._written = _Written(stored.base, base, base.dead)
        partition._sample = _load_sample(directory, stored.sample, dim)
        return partition

    def _store_base(self, base: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
        if self._written is None or self._written.base is not base:
            return _with_mask(store_segment(base, directory, stem), base, directory, f"{stem}.base")
        if self._written.dead is base.dead:
            return self._written.files
        return _with_mask(self._written.files, base, directory, f"{stem}.base")


def _with_mask(files: dict[str, StoredFile], segment: RowGroup, directory: Path, stem: str) -> dict[str, StoredFile]:
    if segment.dead is None:
        return files
    return {**files, "dead": store_array(directory / f"{stem}.dead.npy", segment.dead)}


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
