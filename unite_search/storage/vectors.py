"""What a stored vector must be: finite numbers, as many as the collection's, and of unit length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unite_search.errors import UniteSearchError

UNIT_TOLERANCE = 2e-3
"""How far the length of a vector may be from 1: float16 rounds each component."""


def scaled(rows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Scale (N, D) rows to unit length; what cannot be scaled stays as it is, for `problem_of` to find.

    Float16 rows that are of unit length but for rounding keep their bits, so that an export comes back unchanged.
    """
    wide = rows.astype(np.float64 if rows.dtype.itemsize > 4 else np.float32)
    if rows.dtype == np.float16 and not is_off(wide).any():
        return np.asarray(wide, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.abs(wide).max(axis=1, keepdims=True)
        can_scale = np.isfinite(largest) & (largest > 0)
        wide /= np.where(can_scale, largest, 1)  # Squares of very large and very small numbers would not fit a float.
        lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
        wide /= np.where(can_scale, lengths, 1)
    if rows.dtype == np.float16:
        is_unit = ~is_off(rows.astype(np.float32))
        wide[is_unit] = rows[is_unit]
    with np.errstate(over="ignore"):
        return np.asarray(wide, np.float32)


def first_problem(rows: NDArray[np.float32]) -> tuple[int, str] | None:
    """Return the position of the first of (N, D) rows that cannot be stored, and the reason; None if all can be."""
    off = is_off(rows)
    if not off.any():
        return None
    place = int(np.argmax(off))
    return place, problem_of(rows[place])


def problem_of(vector: NDArray[np.float32]) -> str:
    """Say why a (D,) vector cannot be stored."""
    if np.isnan(vector).any():
        return "NaN"
    if np.isinf(vector).any():
        return "an infinite value"
    if not vector.any():
        return "all zeros"
    return f"a vector of length {np.linalg.norm(vector.astype(np.float64)):.3g}, not 1"


def storable(rows: Sequence[Mapping[str, Any]], dim: int) -> NDArray[np.float16]:
    """Return the (N, D) vectors of some rows of the catalog in the type that is stored.

    Raises:
        UniteSearchError: one of them is not `dim` finite numbers of unit length; the message names its file.
    """
    for row in rows:
        if np.shape(row["embedding"]) != (dim,):
            raise _refusal(row, f"a vector of shape {np.shape(row['embedding'])}, not {(dim,)}")
    vectors = np.asarray([row["embedding"] for row in rows], np.float32).reshape(-1, dim)
    problem = first_problem(vectors)
    if problem is not None:
        raise _refusal(rows[problem[0]], problem[1])
    return vectors.astype(np.float16)


def is_off(rows: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return (N,) whether each row's length is not 1; that of a row with NaN or infinity never is."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        return np.asarray(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))


def _refusal(row: Mapping[str, Any], problem: str) -> UniteSearchError:
    return UniteSearchError(f"{row.get('uri')}: {problem}; nothing of this batch was stored")
