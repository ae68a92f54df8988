"""Which index for how many rows: the rule, and the strings that name an index.

A spec is one string: `float32`, `float16` (exact), `int8` (scan of int8 codes, the best rescored on float16 rows),
`IVF<cells>,int8` (the same, in cells around centroids), or any Faiss factory string, whose results are rescored too.

The numbers of the rule are times of one query on one core, from docs/results/speed-*.json; docs/indexers.md says how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
EXACT = (FLOAT32, FLOAT16)

EXACT_NUMBERS = 100_000 * 384
"""Up to here a float32 scan takes about 8 ms."""
SCAN_NUMBERS = 250_000 * 384
"""Up to here an int8 scan takes about 6 ms; beyond, cells are worth their training."""
FEWEST_ROWS_IN_CELLS = 20_000
FEWEST_ROWS_TO_TRAIN = 256
ROWS_PER_CELL = 4
RETRAIN_FACTOR = 4
"""Cells are trained anew once the rule asks for so many times as many, that is after growth by the square of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexConfig:
    """How vectors are to be indexed.

    Attributes:
        spec: name or Faiss factory string; None lets the rule choose.
        target_recall: share of the exact top results that a search shall find.
        memory_bytes: memory that scanned codes may take; None for no limit.
        cache_bytes: size of the files of a `PartitionedIndex` that stay open at a time; None for all, which also keeps
            what a reader has opened readable when a writer replaces it.
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
        """The given spec, once there are rows enough to train it, or what the rule chooses for `count` rows."""
        if self.spec and (
            self.spec in EXACT or count >= max(FEWEST_ROWS_TO_TRAIN, ROWS_PER_CELL * cells_of(self.spec))
        ):
            return self.spec
        return choose(count, dim, target_recall=self.target_recall, memory_bytes=self.memory_bytes)


def choose(count: int, dim: int, *, target_recall: float = 0.99, memory_bytes: int | None = None) -> str:
    """Choose a spec: exact while that is quick, then int8 codes, then int8 codes in cells.

    A recall of 1 asks for an exact kind at any size. A budget moves to the next smaller kind; cells, which are read
    from disk as needed, are the last.
    """
    numbers = count * dim
    fits = {size: memory_bytes is None or numbers * size <= memory_bytes for size in (4, 2, 1)}
    if target_recall == 1:
        return FLOAT32 if fits[4] else FLOAT16
    if numbers <= EXACT_NUMBERS and fits[4]:
        return FLOAT32
    if count < FEWEST_ROWS_IN_CELLS or (numbers <= SCAN_NUMBERS and fits[1]):
        return INT8
    return f"IVF{cells_for(count)},{INT8}"


def cells_for(count: int) -> int:
    """The power of two nearest to four times the root of the number of rows."""
    return int(2 ** round(np.log2(4 * np.sqrt(count))))


def cells_of(spec: str) -> int:
    """Number of cells that a spec names; 0 where it names none."""
    digits = spec.partition("IVF")[2].partition(",")[0].partition("_")[0]
    return int(digits) if digits.isdigit() else 0


def serves(spec: str, wanted: str) -> bool:
    """Whether an index of one spec may stay where the rule now says another: the same but for not too many cells."""
    cells, wanted_cells = cells_of(spec), cells_of(wanted)
    if not (cells and wanted_cells):
        return spec == wanted
    same_form = spec.replace(f"IVF{cells}", "IVF") == wanted.replace(f"IVF{wanted_cells}", "IVF")
    return same_form and wanted_cells < RETRAIN_FACTOR * cells
