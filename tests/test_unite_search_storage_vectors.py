"""The guard of every commit: nothing but finite unit vectors of the right width reaches the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unite_search.errors import UniteSearchError
from unite_search.storage.catalog import Catalog
from unite_search.storage.change import Change
from unite_search.storage.vectors import scaled

DIM = 8


def change(kind: str, *rows: dict[str, Any]) -> Change:
    return Change(new=list(rows)) if kind == "new" else Change(updated=list(rows))


def row(id_: int, embedding: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("modality", "partition", "name", "folder", "content_hash", "recipe"), "text")
    return {
        "id": id_,
        "parent": id_,
        "uri": f"/p/{id_}",
        "size_bytes": 1,
        "mtime_ns": 1,
        "embedding": embedding,
        **texts,
    }


def unit(position: int, value: float = 1.0) -> Any:
    vector = np.zeros(DIM, np.float32)
    vector[position] = value
    return vector


@pytest.mark.parametrize("kind", ["new", "updated"])
@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (unit(2, np.nan), "NaN"),
        (unit(2, np.inf), "an infinite value"),
        (unit(2, 1e30), "a vector of length 1e\\+30, not 1"),
        (unit(2, 0), "all zeros"),
        (unit(2, 1.01), "a vector of length 1.01, not 1"),
        (unit(2)[:-1], r"a vector of shape \(7,\), not \(8,\)"),
        (unit(2)[None], r"a vector of shape \(1, 8\), not \(8,\)"),
        (unit(2).tolist()[:-1], r"a vector of shape \(7,\), not \(8,\)"),
    ],
)
def test_no_commit_stores_what_no_search_can_compare(tmp_path: Path, vector: Any, reason: str, kind: str) -> None:
    catalog = Catalog.create(tmp_path, dim=DIM)
    catalog.commit(Change(new=[row(0, unit(0))]))
    version = catalog.version
    with pytest.raises(UniteSearchError, match=f"^/p/2: {reason}; nothing"):
        catalog.commit(change(kind, row(1, unit(1)), row(2, vector)))
    assert (catalog.newest().version, catalog.count()) == (version, 1)
    catalog.commit(change(kind, row(1, unit(1)), row(2, unit(2).astype(np.float16).tolist())))
    assert catalog.count() == 3


def test_scaling_against_the_plain_formula() -> None:
    rows = np.random.default_rng(0).normal(size=(100, DIM))
    for dtype in (np.float16, np.float32, np.float64):
        given = rows.astype(dtype)
        wide = given.astype(np.float64)
        assert np.allclose(scaled(given), wide / np.linalg.norm(wide, axis=1, keepdims=True), atol=1e-6)


def test_stored_float16_rows_keep_their_bits_even_beside_others() -> None:
    rows = np.random.default_rng(0).normal(size=(100, DIM))
    stored = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    assert np.array_equal(scaled(stored), stored)
    mixed = np.vstack([stored, 3 * stored[:1]])
    assert np.array_equal(scaled(mixed)[:-1], stored)
    assert np.linalg.norm(scaled(mixed)[-1]) == pytest.approx(1)
