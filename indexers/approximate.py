"""Approximate indexes over positions: a scan of int8 codes, inverted lists (IVF), graphs (HNSW), or any other of Faiss.

Each finds candidates, which `RowGroup` rescores on its rows. All are plain Faiss indexes, and the Faiss type determines
the class, so a file alone says what it is. The trained state that `train` returns can be filled any number of times
without training again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from indexers import blocks
from indexers.arrays import NO_ID, Embeddings, Positions
from indexers.engine import codes_of, faiss, search
from indexers.errors import UnknownSpecError
from indexers.flat import BLOCK_ROWS, FlatVectors
from indexers.int8 import add_rounded, cells_over_int8, int8_codes, is_rounded, reserve_cells
from indexers.spec import EXACT, INT8, cells_of

CANDIDATES = 4
TRAIN_ROWS = 50_000
TRAIN_ROWS_PER_CELL = 64
TRAIN_ITERATIONS = 10
OF_NOTHING = re.compile(r"[A-Za-z]0(?!\d)")
"""A size of 0 in a Faiss factory string, such as `HNSW0`."""


class ApproximateIndex:
    """Any Faiss index; this class serves those that have no search parameter to tune.

    Subclasses have one integer search parameter, such as `nprobe` or `efSearch`.

    Attributes:
        index: the Faiss index over positions.
        trained: the same index without rows, serialized.
        parameter_name: Faiss's name of the search parameter; empty where there is none.
        search_parameters: values of the search parameter worth measuring, cheapest first.
        default_parameter: the value to use before any was measured.
        candidates: candidates to rescore per result; more where a code has less than one byte per component.
        can_filter: whether Faiss accepts a selector.
    """

    parameter_name = ""
    search_parameters: tuple[int, ...] = (1,)
    default_parameter = 1
    can_filter = False

    def __init__(self, index: Any, trained: bytes) -> None:
        self.index = index
        self.trained = trained
        self.inner = _inner(index)
        self.candidates = CANDIDATES * max(1, int(index.d) // (getattr(self.inner, "code_size", 0) or int(index.d)))
        self._unfiltered: dict[int, Any] = {}

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def add(self, embeddings: Embeddings) -> None:
        """Append (n, D) float32 rows under the next positions."""
        if is_rounded(self.index, self.inner):
            add_rounded(self.index, self.inner, embeddings)
        else:
            self.index.add(embeddings)

    def fill(self, rows: FlatVectors) -> None:
        """Append all rows of an index that has none."""
        for block in rows.blocks():
            self.add(block)

    def emptied(self) -> ApproximateIndex:
        """Return an index of the same training without rows."""
        return wrapped(faiss.deserialize_index(np.frombuffer(self.trained, np.uint8)), self.trained)

    def joined(self, parts: Sequence[tuple[ApproximateIndex, Positions]], rows: FlatVectors) -> ApproximateIndex:
        """Join some positions of several indexes of the same training into one.

        Args:
            parts: indexes of this training, each with the positions to take; they become the next free positions.
            rows: the same rows under their new positions.
        """
        joined = self.emptied()
        joined._fill(parts, rows)
        return joined

    def faiss_parameters(self, parameter: int, selector: Any = None) -> Any:
        """Return the search parameters of `faiss.IndexRefine`, restricted to the positions of a selector if given.

        Without a selector they are created once for each value, because creating them takes Faiss as long as reading
        a few inverted lists.
        """
        if selector is not None:
            return self._faiss_parameters(parameter, selector)
        if parameter not in self._unfiltered:
            self._unfiltered[parameter] = self._faiss_parameters(parameter, None)
        return self._unfiltered[parameter]

    def find_candidates(self, queries: Embeddings, k: int, parameter: int) -> Positions:
        """Return the positions of the candidates that `faiss.IndexRefine` would rescore for the best `k`.

        Args:
            queries: (Q, D) float32.
            k: K.
            parameter: the search parameter.

        Returns:
            (Q, M) positions, -1 where there are fewer.
        """
        count = min(len(self), int(k * self._candidates_for(parameter)))
        return search(self.index, queries, count, self._base_parameters(parameter, None))[1]

    def _candidates_for(self, parameter: int) -> int:
        return self.candidates

    def _base_parameters(self, parameter: int, selector: Any) -> Any:
        return None

    def _faiss_parameters(self, parameter: int, selector: Any) -> Any:
        base, factor = self._base_parameters(parameter, selector), self._candidates_for(parameter)
        if base is None:
            return faiss.IndexRefineSearchParameters(k_factor=factor)
        return faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=base)

    def _fill(self, parts: Sequence[tuple[ApproximateIndex, Positions]], rows: FlatVectors) -> None:
        for block in rows.blocks():
            self.add(block)


class Scan(ApproximateIndex):
    """A scan of all codes. Search parameter: candidates rescored per result."""

    can_filter = True
    parameter_name = "k_factor"
    search_parameters = (2, 4, 8, 16, 32)
    default_parameter = 4

    def candidates_of_batch(self, queries: Embeddings, count: int) -> Positions:
        """Return the (Q, count) positions of the best codes for a batch of (Q, D) queries."""
        if isinstance(self.index, faiss.IndexPreTransform):
            for number in range(self.index.chain.size()):
                queries = self.index.chain.at(number).apply(queries)
        return blocks.scan(self.inner, queries, count)[1]

    def _candidates_for(self, parameter: int) -> int:
        return parameter

    def _base_parameters(self, parameter: int, selector: Any) -> Any:
        return faiss.SearchParameters(sel=selector)

    def _fill(self, parts: Sequence[tuple[ApproximateIndex, Positions]], rows: FlatVectors) -> None:
        for part, positions in parts:
            for start in range(0, len(positions), BLOCK_ROWS):
                codes = np.ascontiguousarray(codes_of(part.inner)[positions[start : start + BLOCK_ROWS]])
                self.inner.add_sa_codes(codes)
        self.index.ntotal = self.inner.ntotal


class Cells(ApproximateIndex):
    """Inverted lists (cells) around centroids. Search parameter: the number of lists to read (`nprobe`)."""

    can_filter = True
    parameter_name = "nprobe"

    def __init__(self, index: Any, trained: bytes) -> None:
        super().__init__(index, trained)
        cells = int(self.inner.nlist)
        steps = {round(2 ** (half / 2)) for half in range(2 * cells.bit_length())}
        self.search_parameters = (*sorted(step for step in steps if step < cells), cells)
        self.default_parameter = max(1, cells // 16)

    def fill(self, rows: FlatVectors) -> None:
        """Append all rows of an index that has none; lists of int8 codes get the memory that they need at once."""
        if not is_rounded(self.index, self.inner):
            super().fill(rows)
            return
        for block, cells in zip(rows.blocks(), reserve_cells(self.index, self.inner, rows.blocks), strict=True):
            add_rounded(self.index, self.inner, block, cells)

    def _base_parameters(self, parameter: int, selector: Any) -> Any:
        return faiss.SearchParametersIVF(nprobe=parameter, sel=selector)

    def _fill(self, parts: Sequence[tuple[ApproximateIndex, Positions]], rows: FlatVectors) -> None:
        """Copy codes from list to list, so that no row is assigned to a list a second time."""
        for part, positions in parts:
            renumbered = np.full(len(part), NO_ID, np.int64)
            renumbered[positions] = self.inner.ntotal + np.arange(len(positions))
            for cell in range(self.inner.nlist):
                self._copy_cell(part.inner, cell, renumbered)
            self.inner.ntotal += len(positions)
        self.index.ntotal = self.inner.ntotal

    def _copy_cell(self, source: Any, cell: int, renumbered: Positions) -> None:
        count = source.invlists.list_size(cell)
        if not count:
            return
        places = renumbered[faiss.rev_swig_ptr(source.invlists.get_ids(cell), count)]
        codes = faiss.rev_swig_ptr(source.invlists.get_codes(cell), count * source.code_size).reshape(count, -1)
        is_kept = places != NO_ID
        places, codes = places[is_kept], np.ascontiguousarray(codes[is_kept])
        self.inner.invlists.add_entries(cell, len(places), faiss.swig_ptr(places), faiss.swig_ptr(codes))


class Graph(ApproximateIndex):
    """A graph of neighbours, which cannot delete rows: `joined` builds it again. Search parameter: `efSearch`."""

    can_filter = True
    parameter_name = "efSearch"
    search_parameters = (8, 16, 32, 64, 128, 256, 512, 1024)
    default_parameter = 64

    def _base_parameters(self, parameter: int, selector: Any) -> Any:
        return faiss.SearchParametersHNSW(efSearch=parameter, sel=selector)


def train(spec: str, rows: FlatVectors) -> ApproximateIndex:
    """Train an index of a spec on a sample of `rows`; it is returned without rows.

    Raises:
        UnknownSpecError: Faiss does not know the spec.
    """
    wanted = TRAIN_ROWS_PER_CELL * cells_of(spec) or TRAIN_ROWS
    positions = np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).astype(np.int64))
    codes, codec = rows.codes_at(positions), FlatVectors.empty(rows.dim, rows.dtype).index
    if spec == INT8:
        index = int8_codes(codes, codec)
    elif spec.endswith(f",{INT8}"):
        index = cells_over_int8(codes, codec, cells=cells_of(spec), iterations=TRAIN_ITERATIONS)
    else:
        index = _of_factory(spec, rows.dim)
        _train(index, codec.sa_decode(codes))
    return wrapped(index, faiss.serialize_index(index).tobytes())


def wrapped(index: Any, trained: bytes) -> ApproximateIndex:
    """Wrap a Faiss index, which may be behind a rotation, in the class for its type."""
    inner = _inner(index)
    if isinstance(inner, faiss.IndexIVF):
        return Cells(index, trained)
    if isinstance(inner, faiss.IndexHNSW):
        return Graph(index, trained)
    if isinstance(inner, (faiss.IndexFlat, faiss.IndexScalarQuantizer)):
        return Scan(index, trained)
    return ApproximateIndex(index, trained)


def check_spec(spec: str, dim: int) -> None:
    """Refuse a spec that cannot be built for vectors of dimension `dim`, before there are rows to train it on.

    Raises:
        UnknownSpecError: Faiss does not know the spec.
    """
    if spec in EXACT or spec == INT8 or (cells_of(spec) and spec == f"IVF{cells_of(spec)},{INT8}"):
        return
    _of_factory(spec, dim)


def _of_factory(spec: str, dim: int) -> Any:
    try:
        if OF_NOTHING.search(spec):
            raise RuntimeError("Faiss accepts sizes of 0, and ends the process when such an index is used")
        return faiss.index_factory(dim, spec, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        expected = f"{', '.join(EXACT)}, {INT8}, IVF<cells>,{INT8} or a Faiss factory string"
        raise UnknownSpecError(f"Faiss makes no index {spec!r} of {dim} dimensions; expected {expected}") from error


def _train(index: Any, sample: Embeddings) -> None:
    inner = _inner(index)
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.min_points_per_centroid = 1
    index.train(sample)


def _inner(index: Any) -> Any:
    while isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    return index
