"""What counts as a copy: equal bytes, or pictures whose perceptual hashes and vectors both nearly agree.

Either alone would not do: every picture of one colour has the same structure, and two photos of one scene have similar
vectors. Both thresholds were chosen on photos and their copies; `docs/results/copies.json` says what is found. The hash
tells copies from photos of one burst, and the cosine rules out what has the same structure by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unite_search.media.perceptual_hash import FLAT
from unite_search.search.hamming import Hashes, distances, near_pairs

MOST_BITS = 8
"""Bits in which the perceptual hashes of copies may differ."""
LEAST_COSINE = 0.75
"""Least cosine of the vectors of copies."""


def copies_among(
    content_hashes: Sequence[str],
    phashes: Sequence[int | None],
    texts: Sequence[str | None],
    vectors: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Say which of some hits are copies of an earlier one.

    Args:
        content_hashes: K hashes of the bytes of the files, best hit first. Each hit stands for another file.
        phashes: K perceptual hashes; None where there is none.
        texts: K captions; hits with different ones are no copies, but one without may be a copy of one with.
        vectors: (K, D) unit rows.

    Returns:
        (K,) the place of the first hit that it is a copy of, which is no copy itself, or -1.
    """
    known = np.array([FLAT if phash is None else phash for phash in phashes], np.uint64)
    codes = np.unique(np.asarray(content_hashes, np.str_), return_inverse=True)[1]
    said = np.array([text or "" for text in texts], object)
    originals = np.full(len(codes), -1, np.int64)
    for place in range(len(codes)):
        if originals[place] >= 0:
            continue
        later = slice(place + 1, None)
        cosines = vectors[later] @ vectors[place]
        is_copy = (codes[later] == codes[place]) | are_near(known[later], known[place], cosines)
        is_copy &= (said[later] == said[place]) | (said[later] == "") | (not said[place])
        originals[later][is_copy & (originals[later] < 0)] = place
    return originals


def may_be_near(phashes: Sequence[int | None]) -> NDArray[np.bool_]:
    """Return which of some hits have a perceptual hash near that of another one; only their vectors need to be read."""
    known = np.array([FLAT if phash is None else phash for phash in phashes], np.uint64)
    different, codes, counts = np.unique(known, return_inverse=True, return_counts=True)
    is_suspect = counts > 1
    is_suspect[near_pairs(different, MOST_BITS).ravel()] = True
    return np.asarray(is_suspect[codes] & (known != FLAT))


def are_near(left: Hashes, right: Hashes | np.uint64, cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pictures are near copies, by their perceptual hashes and the cosines of their vectors."""
    has_structure = (left != FLAT) & (right != FLAT)
    return np.asarray(has_structure & (distances(left, right) <= MOST_BITS) & (cosines >= LEAST_COSINE))
