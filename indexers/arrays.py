"""Type aliases of the arrays that indexes take and return, and the id that stands for no row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
"""Ids that the caller gave to rows."""
Positions = NDArray[np.int64]
"""Positions of rows within one Faiss index, counted from 0."""
Embeddings = NDArray[np.float32]
"""(N, D) rows or (Q, D) queries."""
Scores = NDArray[np.float32]
"""Inner products; higher is better."""
Mask = NDArray[np.bool_]
"""One boolean for each position or for each id."""
Results = tuple[Scores, NDArray[np.int64]]
"""(Q, K) scores and (Q, K) ids or positions, best first."""

NO_ID = -1
"""Fills the places of results that do not exist; their score is -inf."""
