"""`FlatVectors`: embeddings by position in one plain Faiss file, float32 or float16, searched exactly.

For exact kinds this is the whole index. For the others, candidates are rescored on these rows, which stay on disk
behind a memory map; a search reads only the rows that it rescores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers import blocks
from indexers.arrays import Embeddings, Positions, Results
from indexers.engine import BATCH_FROM_QUERIES, codes_of, faiss, is_scanned_in_blocks, search, top_k
from indexers.errors import DamagedIndexError
from indexers.row_file import RowFile
from indexers.row_filter import RowFilter
from indexers.spec import FLOAT16, FLOAT32

BLOCK_ROWS = 16_384
STREAMED_ROWS = 4096
"""Rows of a block that is read from a file, fewer because memory is short then."""
WIDEN_MARGIN = 16


class FlatVectors:
    """(N, D) embeddings under the positions 0 to N - 1.

    Attributes:
        index: `faiss.IndexFlatIP`, or `faiss.IndexScalarQuantizer` of float16.
        file: the file that the index is mapped from, where the rows are too many for the memory: whoever reads many of
            them reads them there. None otherwise.
    """

    def __init__(self, index: Any, *, file: RowFile | None = None) -> None:
        if not isinstance(index, (faiss.IndexFlat, faiss.IndexScalarQuantizer)):
            raise DamagedIndexError(f"holds {type(index).__name__}, expected rows")
        self.index = index
        self.dim = int(index.d)
        self.file = file

    @classmethod
    def empty(cls, dim: int, dtype: str) -> FlatVectors:
        """Create storage without rows, of type `float32` or `float16`."""
        if dtype == FLOAT32:
            return cls(faiss.IndexFlatIP(dim))
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        index.is_trained = True
        return cls(index)

    @property
    def dtype(self) -> str:
        """`float32` or `float16`."""
        return FLOAT32 if isinstance(self.index, faiss.IndexFlat) else FLOAT16

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def add(self, embeddings: Embeddings) -> None:
        """Append (n, D) float32 rows."""
        self.index.add(embeddings)

    def take(self, positions: Positions | slice) -> Embeddings:
        """Return the (n, D) float32 rows at some positions."""
        return self._decoded(codes_of(self.index)[positions])

    def blocks(self) -> Iterator[Embeddings]:
        """Yield all rows in order, in blocks of (n, D) float32."""
        if self.file is not None:
            for start in range(0, len(self), STREAMED_ROWS):
                yield self._decoded(self.file.block(start, min(STREAMED_ROWS, len(self) - start)))
            return
        for start in range(0, len(self), BLOCK_ROWS):
            yield self.take(slice(start, start + BLOCK_ROWS))

    def codes_at(self, positions: Positions) -> NDArray[np.uint8]:
        """Return the (n, bytes of a row) codes at some positions."""
        return codes_of(self.index)[positions] if self.file is None else self.file.at(positions)

    def decoded_at(self, positions: Positions) -> Embeddings:
        """Return the (n, D) float32 rows at some positions, like `take`, without mapping them where there is a file."""
        return self._decoded(self.codes_at(positions))

    def _decoded(self, codes: NDArray[np.uint8]) -> Embeddings:
        decoded: Embeddings = codes.view(self.dtype).astype(np.float32)
        return decoded

    def extend(self, others: FlatVectors, positions: Positions) -> None:
        """Append the rows of `others` at some positions, in the order of the positions."""
        for start in range(0, len(positions), BLOCK_ROWS):
            wanted = positions[start : start + BLOCK_ROWS]
            if others.dtype == self.dtype:
                codes = np.ascontiguousarray(codes_of(others.index)[wanted])
                self.index.add_sa_codes(codes)
            else:
                self.add(others.take(wanted))

    def search(self, queries: Embeddings, k: int, row_filter: RowFilter | None = None) -> Results:
        """Compare exactly and find the `k` best positions for each query, best first.

        Args:
            queries: (Q, D) float32.
            k: K, at most the number of rows that pass the filter.
            row_filter: which rows compete; None for all.

        Returns:
            (Q, K) scores and (Q, K) positions.
        """
        if row_filter is None:
            return self._scan(queries, k)
        if row_filter.is_for_gathering or self._compares_in_place(queries):
            return self.search_gathered(queries, k, row_filter)
        if row_filter.is_for_widening or len(queries) >= BATCH_FROM_QUERIES:
            return self.search_widened(queries, k, row_filter)
        return self.search_selected(queries, k, row_filter)

    def search_gathered(self, queries: Embeddings, k: int, row_filter: RowFilter) -> Results:
        """Compare only the rows that pass; for a few queries on float32 in place, otherwise on a copy of the rows."""
        positions = row_filter.positions
        if self._compares_in_place(queries):
            return search(self.index, queries, k, faiss.SearchParameters(sel=faiss.IDSelectorArray(positions)))
        gathered = FlatVectors.empty(self.dim, self.dtype)
        gathered.extend(self, positions)
        scores, places = gathered._scan(queries, k)
        return scores, positions[places]

    def search_selected(self, queries: Embeddings, k: int, row_filter: RowFilter) -> Results:
        """Scan all rows, skipping those that do not pass."""
        return search(self.index, queries, k, faiss.SearchParameters(sel=row_filter.bitmap))

    def search_widened(self, queries: Embeddings, k: int, row_filter: RowFilter) -> Results:
        """Search without the filter for more and more results, until `k` of them pass it for every query."""
        wide = k
        while True:
            wide = min(len(self), int(wide / max(row_filter.share, 1 / WIDEN_MARGIN)) + WIDEN_MARGIN)
            scores, positions = self._scan(queries, wide)
            passes = row_filter.mask[positions]
            if wide == len(self) or passes.sum(axis=1).min() >= k:
                return top_k(np.where(passes, scores, -np.inf), positions, k)

    def rescore(self, queries: Embeddings, candidates: Positions, k: int) -> Results:
        """Return the `k` best of each query's own candidates, best first.

        Args:
            queries: (Q, D) float32.
            candidates: (Q, M) positions.
            k: K, at most M.
        """
        scores = np.vstack([self.take(own) @ query for query, own in zip(queries, candidates, strict=True)])
        return top_k(scores, candidates, k)

    def _compares_in_place(self, queries: Embeddings) -> bool:
        """Return whether Faiss can visit the rows that pass without visiting the others."""
        return self.dtype == FLOAT32 and len(queries) < BATCH_FROM_QUERIES

    def _scan(self, queries: Embeddings, k: int) -> Results:
        return (
            blocks.scan(self.index, queries, k) if is_scanned_in_blocks(queries, k) else search(self.index, queries, k)
        )
