"""Int8 codes of rotated rows, as plain Faiss indexes.

Real embeddings have a few large components. A random rotation spreads them over all components, so that one scale fits
every component and the codes can be multiplied as integers (Faiss `QT_8bit_direct_signed`), two to three times as fast
as codes with a range for each component.

Source: the rotation is the non-optimised part of Ge et al. 2013, "Optimized Product Quantization".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
NORM_ROWS = 16_384
"""Rows decoded at a time to find the longest."""
FAST_LENGTH = 16
"""Faiss compares codes in SIMD registers only if their length is a multiple of this; others take five times as long."""


def int8_codes(sample: NDArray[np.uint8], codec: Any) -> Any:
    """Create an empty index that compares the codes of all rows.

    Args:
        sample: (n, code size) codes of the rows that determine the scale.
        codec: Faiss index that decodes them.
    """
    length = _code_length(codec.d)
    inner = faiss.IndexScalarQuantizer(length, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
    inner.is_trained = True
    return _behind_rotation(inner, int(codec.d), _longest(sample, codec))


def cells_over_int8(sample: NDArray[np.uint8], codec: Any, *, cells: int, iterations: int) -> Any:
    """Create an empty index with inverted lists (cells) around trained centroids.

    The centroids are trained on the rows as they are, and rotated then: k-means knows no directions. So the sample need
    not be in memory as float32, twice.

    Args:
        sample: (n, code size) codes of the rows to train the centroids on.
        codec: Faiss index that decodes them.
        cells: number of centroids.
        iterations: iterations of k-means.
    """
    length = _code_length(codec.d)
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
    index = _behind_rotation(inner, int(codec.d), _longest(sample, codec))
    quantizer.add(_rotated(_rotation(index), _centroids(sample, codec, inner.cp, cells)))
    inner.is_trained = True
    return index


def reserve_cells(index: Any, inner: Any, blocks: Callable[[], Iterable[Embeddings]]) -> list[NDArray[np.int64]]:
    """Give every inverted list the memory that it will need, so that none is ever moved to a larger place.

    Args:
        index: an index that `cells_over_int8` created, without rows.
        inner: the inverted lists in it.
        blocks: returns the (n, D) blocks that will be added.

    Returns:
        For each block the (n,) cells of its rows.
    """
    cells = [inner.quantizer.search(_rotation(index).apply(block), 1)[1].ravel() for block in blocks()]
    for cell, count in enumerate(np.bincount(np.concatenate(cells), minlength=inner.nlist).tolist()):
        inner.invlists.resize(cell, count)
        inner.invlists.resize(cell, 0)
    return cells


def is_rounded(index: Any, inner: Any) -> bool:
    """Return whether an index was created by this module, so that rows must be added through `add_rounded`."""
    return index is not inner and getattr(inner, "sq", None) is not None and _is_direct(inner.sq)


def add_rounded(index: Any, inner: Any, embeddings: Embeddings, cells: NDArray[np.int64] | None = None) -> None:
    """Append (n, D) float32 rows, rounded and clipped; Faiss itself would truncate them and let large values wrap.

    Args:
        index: an index that this module created.
        inner: the codes or inverted lists in it.
        embeddings: (n, D) rows.
        cells: (n,) the cells of the rows, from `reserve_cells`; None to look for them.
    """
    rotated = _rotation(index).apply(np.ascontiguousarray(embeddings))
    rounded = np.clip(np.rint(rotated, out=rotated), LOWEST, HIGHEST, out=rotated)
    if cells is None:
        inner.add(rounded)
    else:
        inner.add_core(len(rounded), faiss.swig_ptr(rounded), None, faiss.swig_ptr(np.ascontiguousarray(cells)))
    index.ntotal = inner.ntotal


def _is_direct(quantizer: Any) -> bool:
    return bool(quantizer.qtype == faiss.ScalarQuantizer.QT_8bit_direct_signed)


def _longest(sample: NDArray[np.uint8], codec: Any) -> float:
    """Return the length of the longest row of a sample, which is decoded a part at a time."""
    parts = (codec.sa_decode(sample[start : start + NORM_ROWS]) for start in range(0, len(sample), NORM_ROWS))
    return max((float(np.linalg.norm(rows, axis=1).max()) for rows in parts), default=0.0)


def _centroids(sample: NDArray[np.uint8], codec: Any, parameters: Any, cells: int) -> Embeddings:
    clustering = faiss.Clustering(codec.d, cells, parameters)
    nearest = faiss.IndexFlatIP(codec.d)
    clustering.train_encoded(sample, codec, nearest)
    centroids: Embeddings = nearest.reconstruct_n(0, cells)
    return centroids


def _rotated(rotation: Any, rows: Embeddings) -> Embeddings:
    """Rotate (n, D) rows without changing their lengths."""
    rotated = rotation.apply(rows)
    scale = np.linalg.norm(faiss.vector_to_array(rotation.A).reshape(rotation.d_out, -1)[:, 0])
    return np.asarray(rotated / scale, np.float32)


def _behind_rotation(inner: Any, dim: int, longest: float) -> Any:
    typical_norm = longest or 1.0
    scale = HIGHEST * np.sqrt(inner.d) / (SIGMAS_TO_LIMIT * typical_norm)
    rotation = scale * _random_rotation(inner.d)[:, :dim]  # (L, D): rows are padded with zeros to L
    transform = faiss.LinearTransform(dim, inner.d, False)
    faiss.copy_array_to_vector(rotation.astype(np.float32).ravel(), transform.A)
    transform.is_trained = True
    index = faiss.IndexPreTransform(transform, inner)
    index.is_trained = True
    return index


def _code_length(dim: int) -> int:
    """Return L, the smallest multiple of `FAST_LENGTH` that is not below D."""
    blocks: int = ceil(dim / FAST_LENGTH)
    return FAST_LENGTH * blocks


def _rotation(index: Any) -> Any:
    return faiss.downcast_VectorTransform(index.chain.at(0))


def _random_rotation(length: int) -> NDArray[np.float64]:
    """Return an (L, L) orthonormal matrix, the same every time."""
    normal = np.random.default_rng(ROTATION_SEED).normal(size=(length, length))
    return np.linalg.qr(normal)[0]
