"""Int8 codes of rotated rows, as plain Faiss indexes.

A random rotation spreads the few large components that real embeddings have over all of them, so that one scale
serves every component; then whole numbers can be multiplied (Faiss `QT_8bit_direct_signed`), two to three times as
fast as codes with a range for each component.

Source: the rotation is the non-optimised part of Ge et al. 2013, "Optimized Product Quantization".
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.engine import Embeddings, faiss

SIGMAS_TO_LIMIT = 6
"""A component of a rotated row has a spread of norm / sqrt(D); what is more than this many times larger is cut off."""
LOWEST, HIGHEST = -128, 127
ROTATION_SEED = 0
FAST_LENGTH = 16
"""Faiss compares codes in registers only where their length is a multiple of this; others take five times as long."""


def int8_codes(sample: Embeddings) -> Any:
    """An empty index that compares the codes of all rows.

    Args:
        sample: (n, D) rows, for the scale.
    """
    length = _code_length(sample)
    inner = faiss.IndexScalarQuantizer(length, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
    inner.is_trained = True
    return _behind_rotation(inner, sample)


def cells_over_int8(sample: Embeddings, *, cells: int, iterations: int) -> Any:
    """An empty index whose rows stand in cells around trained centroids.

    Args:
        sample: (n, D) rows to find the centroids among.
        cells: number of centroids.
        iterations: of k-means.
    """
    length = _code_length(sample)
    quantizer = faiss.IndexFlatIP(length)
    inner = faiss.IndexIVFScalarQuantizer(
        quantizer,
        length,
        cells,
        faiss.ScalarQuantizer.QT_8bit_direct_signed,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    inner.cp.niter = iterations
    inner.cp.min_points_per_centroid = 1
    index = _behind_rotation(inner, sample)
    inner.train(_rotation(index).apply(sample))
    return index


def is_rounded(index: Any, inner: Any) -> bool:
    """Whether an index was made here, so that rows must go in through `add_rounded`."""
    return index is not inner and getattr(inner, "sq", None) is not None and _is_direct(inner.sq)


def add_rounded(index: Any, inner: Any, embeddings: Embeddings) -> None:
    """Append (n, D) float32 rows; Faiss itself would truncate, and let large values wrap around."""
    rotated = _rotation(index).apply(np.ascontiguousarray(embeddings))
    inner.add(np.clip(np.rint(rotated, out=rotated), LOWEST, HIGHEST, out=rotated))
    index.ntotal = inner.ntotal


def _is_direct(quantizer: Any) -> bool:
    return bool(quantizer.qtype == faiss.ScalarQuantizer.QT_8bit_direct_signed)


def _behind_rotation(inner: Any, sample: Embeddings) -> Any:
    dim = sample.shape[1]
    typical_norm = float(np.linalg.norm(sample, axis=1).max(initial=0)) or 1.0
    scale = HIGHEST * np.sqrt(inner.d) / (SIGMAS_TO_LIMIT * typical_norm)
    rotation = scale * _random_rotation(inner.d)[:, :dim]  # (L, D): of rows with zeros behind them
    transform = faiss.LinearTransform(dim, inner.d, False)
    faiss.copy_array_to_vector(rotation.astype(np.float32).ravel(), transform.A)
    transform.is_trained = True
    index = faiss.IndexPreTransform(transform, inner)
    index.is_trained = True
    return index


def _code_length(sample: Embeddings) -> int:
    """L, the next fast length from D on."""
    blocks: int = ceil(sample.shape[1] / FAST_LENGTH)
    return FAST_LENGTH * blocks


def _rotation(index: Any) -> Any:
    return faiss.downcast_VectorTransform(index.chain.at(0))


def _random_rotation(length: int) -> NDArray[np.float64]:
    """(L, L) orthonormal, the same every time."""
    normal = np.random.default_rng(ROTATION_SEED).normal(size=(length, length))
    return np.linalg.qr(normal)[0]
