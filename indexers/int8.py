"""Int8 codes of rotated rows, as plain Faiss indexes.

Real embeddings have a few large components. A random rotation spreads them over all components, so that one scale fits
every component and the codes can be multiplied as integers (Faiss `QT_8bit_direct_signed`), two to three times as fast
as codes with a range for each component.

Source: the rotation is the non-optimised part of Ge et al. 2013, "Optimized Product Quantization".
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Embeddings
from indexers.engine import faiss

SIGMAS_TO_LIMIT = 6
"""A component of a rotated row has a standard deviation of norm / sqrt(D); values beyond this many are clipped."""
LOWEST, HIGHEST = -128, 127
ROTATION_SEED = 0
FAST_LENGTH = 16
"""Faiss compares codes in SIMD registers only if their length is a multiple of this; others take five times as long."""


def int8_codes(sample: Embeddings) -> Any:
    """Create an empty index that compares the codes of all rows.

    Args:
        sample: (n, D) rows that determine the scale.
    """
    length = _code_length(sample)
    inner = faiss.IndexScalarQuantizer(length, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
    inner.is_trained = True
    return _behind_rotation(inner, sample)


def cells_over_int8(sample: Embeddings, *, cells: int, iterations: int) -> Any:
    """Create an empty index with inverted lists (cells) around trained centroids.

    Args:
        sample: (n, D) rows to train the centroids on.
        cells: number of centroids.
        iterations: iterations of k-means.
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
    """Return whether an index was created by this module, so that rows must be added through `add_rounded`."""
    return index is not inner and getattr(inner, "sq", None) is not None and _is_direct(inner.sq)


def add_rounded(index: Any, inner: Any, embeddings: Embeddings) -> None:
    """Append (n, D) float32 rows, rounded and clipped; Faiss itself would truncate them and let large values wrap."""
    rotated = _rotation(index).apply(np.ascontiguousarray(embeddings))
    inner.add(np.clip(np.rint(rotated, out=rotated), LOWEST, HIGHEST, out=rotated))
    index.ntotal = inner.ntotal


def _is_direct(quantizer: Any) -> bool:
    return bool(quantizer.qtype == faiss.ScalarQuantizer.QT_8bit_direct_signed)


def _behind_rotation(inner: Any, sample: Embeddings) -> Any:
    dim = sample.shape[1]
    typical_norm = float(np.linalg.norm(sample, axis=1).max(initial=0)) or 1.0
    scale = HIGHEST * np.sqrt(inner.d) / (SIGMAS_TO_LIMIT * typical_norm)
    rotation = scale * _random_rotation(inner.d)[:, :dim]  # (L, D): rows are padded with zeros to L
    transform = faiss.LinearTransform(dim, inner.d, False)
    faiss.copy_array_to_vector(rotation.astype(np.float32).ravel(), transform.A)
    transform.is_trained = True
    index = faiss.IndexPreTransform(transform, inner)
    index.is_trained = True
    return index


def _code_length(sample: Embeddings) -> int:
    """Return L, the smallest multiple of `FAST_LENGTH` that is not below D."""
    blocks: int = ceil(sample.shape[1] / FAST_LENGTH)
    return FAST_LENGTH * blocks


def _rotation(index: Any) -> Any:
    return faiss.downcast_VectorTransform(index.chain.at(0))


def _random_rotation(length: int) -> NDArray[np.float64]:
    """Return an (L, L) orthonormal matrix, the same every time."""
    normal = np.random.default_rng(ROTATION_SEED).normal(size=(length, length))
    return np.linalg.qr(normal)[0]
