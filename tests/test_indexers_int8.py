"""Int8 codes against the products of the rows that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.engine import faiss
from indexers.int8 import add_rounded, cells_over_int8, int8_codes

LARGEST_ERROR = 0.05


@pytest.mark.parametrize("dim", [16, 37, 141])
@pytest.mark.parametrize("in_cells", [False, True])
def test_codes_of_any_length_order_rows_as_their_products_do(dim: int, in_cells: bool) -> None:
    random = np.random.default_rng(dim)
    rows = random.normal(size=(800, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[:1] + (0.3 * random.normal(size=(1, dim)) / dim**0.5).astype(np.float32)
    codec = faiss.IndexFlatIP(dim)
    sample = codec.sa_encode(rows)
    index = cells_over_int8(sample, codec, cells=4, iterations=2) if in_cells else int8_codes(sample, codec)
    inner = faiss.downcast_index(index.index)
    add_rounded(index, inner, rows)
    if in_cells:
        inner.nprobe = 4
    scores, found = index.search(query, len(rows))
    exact = (rows @ query[0])[found[0]]
    assert sorted(found[0]) == list(range(len(rows)))
    in_units = scores[0] * (exact[0] / scores[0][0])
    assert np.abs(in_units - exact).max() < LARGEST_ERROR
    assert found[0][0] == 0
