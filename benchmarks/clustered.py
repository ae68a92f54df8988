"""Synthetic embeddings with the structure of real ones: many overlapping clusters of few intrinsic dimensions.

Uniform noise has no neighbours to find, and makes every approximate index look bad; separate clusters make all of them
look good. Here the cluster sizes fall like 1/sqrt(rank), a row spreads around its centre about as far as centres lie
apart, in 64 of the dimensions, and a little in all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INTRINSIC_DIM = 64
CLUSTERS = 4000
SPREAD = 0.75
"""Within a cluster, of the spread of the centres."""
NOISE = 0.12
BLOCK = 50_000


class Clustered:
    """A distribution of (D,) float32 unit rows; draws with different seeds are independent."""

    def __init__(self, dim: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.dim = dim
        self._centres = rng.normal(size=(CLUSTERS, INTRINSIC_DIM)).astype(np.float32)
        self._basis = (rng.normal(size=(INTRINSIC_DIM, dim)) / np.sqrt(INTRINSIC_DIM)).astype(np.float32)
        weights = 1 / np.sqrt(np.arange(1, CLUSTERS + 1))
        self._weights = weights / weights.sum()

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """(count, D) unit rows."""
        rng = np.random.default_rng(seed)
        rows = np.empty((count, self.dim), np.float32)
        for start in range(0, count, BLOCK):
            block = rows[start : start + BLOCK]
            which = rng.choice(CLUSTERS, size=len(block), p=self._weights)
            latent = self._centres[which] + SPREAD * rng.standard_normal((len(block), INTRINSIC_DIM), np.float32)
            block[:] = latent @ self._basis + NOISE * rng.standard_normal(block.shape, np.float32)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return rows
