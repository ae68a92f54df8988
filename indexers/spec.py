"""The strings that name a kind of index, and the rule that chooses one by the number of rows.

A spec is one string: `float32` and `float16` are exact, `int8` scans int8 codes and rescores the best on float16 rows,
`IVF<cells>,int8` does the same in inverted lists (cells) around centroids, and any Faiss factory string can be given;
its results are rescored too.

The thresholds of the rule come from times of one query on one core in docs/results/speed-*.json;
docs/explanation/index-kinds.md explains how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
EXACT = (FLOAT32, FLOAT16)

MOST_EXACT_VALUES = 100_000 * 384
"""Numbers in (N, D) rows up to which a float32 scan takes about 8 ms at most."""
MOST_SCANNED_VALUES = 250_000 * 384
"""Numbers up to which an int8 scan takes about 6 ms at most; beyond, cells are worth their training."""
FEWEST_ROWS_IN_CELLS = 20_000
FEWEST_ROWS_TO_TRAIN = 256
ROWS_PER_CELL = 4
RETRAIN_FACTOR = 4
"""Train again once the rule asks for this many times as many cells, that is after growth by its square."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexConfig:
    """Which kind of index to build, and how much memory it may use.

    Attributes:
        spec: `float32`, `float16`, `int8`, `IVF<cells>,int8` or a Faiss factory string; None lets the rule choose by
            the number of rows.
        target_recall: share of the exact top results that a search shall find.
        memory_bytes: memory that the scanned codes may take; None for no limit.
        cache_bytes: total file size of the partitions of a `PartitionedIndex` that stay open; None keeps all open, so
            that a reader can also go on reading files that a writer has replaced.
    """

    spec: str | None = None
    target_recall: float = 0.99
    memory_bytes: int | None = None
    cache_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_recall <= 1:
            raise ValueError(f"target_recall is {self.target_recall}; expected more than 0 and at most 1")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes is {self.memory_bytes}; expected at least 1")

    def spec_for(self, count: int, dim: int) -> str:
        """Return the given spec if there are enough rows to train it, else what the rule chooses for `count` rows."""
        if self.spec and (
            self.spec in EXACT or count >= max(FEWEST_ROWS_TO_TRAIN, ROWS_PER_CELL * cells_of(self.spec))
        ):
            return self.spec
        return choose(count, dim, target_recall=self.target_recall, memory_bytes=self.memory_bytes)


def choose(count: int, dim: int, *, target_recall: float = 0.99, memory_bytes: int | None = None) -> str:
    """Choose a spec: exact while that is fast, then int8 codes, then int8 codes in cells.

    A target recall of 1 asks for an exact kind at any size. A memory limit selects the next smaller kind; cells, which
    are read from disk as needed, are the smallest.
    """
    values = count * dim
    fits = {size: memory_bytes is None or values * size <= memory_bytes for size in (4, 2, 1)}
    if target_recall == 1:
        return FLOAT32 if fits[4] else FLOAT16
    if values <= MOST_EXACT_VALUES and fits[4]:
        return FLOAT32
    if count < FEWEST_ROWS_IN_CELLS or (values <= MOST_SCANNED_VALUES and fits[1]):
        return INT8
    return f"IVF{cells_for(count)},{INT8}"


def cells_for(count: int) -> int:
    """Return the power of two nearest to four times the square root of the number of rows."""
    return int(2 ** round(np.log2(4 * np.sqrt(count))))


def cells_of(spec: str) -> int:
    """Return the number of cells that a spec names, 0 if it names none."""
    digits = spec.partition("IVF")[2].partition(",")[0].partition("_")[0]
    return int(digits) if digits.isdigit() else 0


def can_keep(spec: str, wanted: str) -> bool:
    """Return whether an index of one spec may stay although the rule now asks for another.

    It may if the two differ in the number of cells only, by less than `RETRAIN_FACTOR`.
    """
    cells, wanted_cells = cells_of(spec), cells_of(wanted)
    if not (cells and wanted_cells):
        return spec == wanted
    same_form = spec.replace(f"IVF{cells}", "IVF") == wanted.replace(f"IVF{wanted_cells}", "IVF")
    return same_form and wanted_cells < RETRAIN_FACTOR * cells
