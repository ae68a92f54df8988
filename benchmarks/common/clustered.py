"""Synthetic embeddings with the structure of real ones: nested, overlapping clusters of low intrinsic dimension.

Uniform noise has no neighbours to find and makes every approximate index look bad; as many clusters as an index has
cells make it look good. Here 16 clusters contain 16 clusters each, four levels deep. Cluster sizes fall like
1/sqrt(rank). The rows of a cluster vary around its centre in 64 dimensions, and a little in all of them.

`SPREAD` is chosen so that 30,000 rows are as hard to search as 30,000 captions of Flickr8k embedded by
all-MiniLM-L6-v2: with 512 cells in Faiss, recall@10 is .90, .95, .98, .99 at 8, 16, 32, 64 cells read, for both. Images
embedded by EfficientNet-Lite2 are a little harder: .83, .91, .97, .99 with 6,500 rows in 256 cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.unit import unit_rows

INTRINSIC_DIM = 64
LEVELS = 4
BRANCHES = 16
SPREAD = 0.65
"""Standard deviation within a cluster of the lowest level, as a share of that of the centres."""
NOISE = 0.12
BLOCK = 50_000


class Clustered:
    """A distribution of (D,) float32 unit rows; draws with different seeds are independent."""

    def __init__(self, dim: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.dim = dim
        self._centres = _centres(rng)
        self._basis = (rng.normal(size=(INTRINSIC_DIM, dim)) / np.sqrt(INTRINSIC_DIM)).astype(np.float32)
        weights = rng.permutation(1 / np.sqrt(np.arange(1, len(self._centres) + 1)))
        self._weights = weights / weights.sum()

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw (count, D) unit rows."""
        rng = np.random.default_rng(seed)
        rows = np.empty((count, self.dim), np.float32)
        for start in range(0, count, BLOCK):
            block = rows[start : start + BLOCK]
            which = rng.choice(len(self._centres), size=len(block), p=self._weights)
            latent = self._centres[which] + SPREAD * rng.standard_normal((len(block), INTRINSIC_DIM), np.float32)
            block[:] = unit_rows(latent @ self._basis + NOISE * rng.standard_normal(block.shape, np.float32))
        return rows


def _centres(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (BRANCHES ** LEVELS, INTRINSIC_DIM) centres, each a sum of one offset per level, scaled to deviation 1."""
    leaves = np.arange(BRANCHES**LEVELS)
    centres = np.zeros((len(leaves), INTRINSIC_DIM), np.float32)
    for level in range(1, LEVELS + 1):
        steps = rng.normal(size=(BRANCHES**level, INTRINSIC_DIM)).astype(np.float32)
        centres += steps[leaves // BRANCHES ** (LEVELS - level)]
    centres /= centres.std()
    return centres
