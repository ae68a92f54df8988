"""Scale vectors to unit length."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALLEST_NORM = float(np.finfo(np.float32).tiny)


def unit_rows(rows: ArrayLike) -> NDArray[np.float32]:
    """Scale each row of a (..., D) array to unit length; a row of zeros stays as it is.

    Returns:
        (..., D) float32.
    """
    given = np.asarray(rows, np.float32)
    norms = np.linalg.norm(given, axis=-1, keepdims=True)
    return np.asarray(given / np.maximum(norms, SMALLEST_NORM), np.float32)
