"""What counts as a copy: equal bytes, or pictures whose perceptual hashes and vectors both nearly agree.

Either alone would not do: every picture of one colour has the same structure, and two photos of one scene have similar
vectors. Both thresholds were chosen on photos and their copies; `docs/results/copies.json` says what is found. The hash
tells copies from photos of one burst, and the cosine rules out what has the same structure by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unite_search.media.perceptual_hash import FLAT
from unite_search.search.hamming import Hashes, distances, near_pairs

MOST_BITS = 8
"""Bits in which the perceptual hashes of copies may differ."""
LEAST_COSINE = 0.75
"""Least cosine of the vectors of copies."""
MOST_LEADERS = 16
"""Among pictures with one hash, each is compared with the best so many. That finds all copies of a picture in linear
time, also where a template or a blank page gives thousands of different pictures the same hash."""


def copies_among(
    content_hashes: Sequence[str],
    phashes: Sequence[int | None],
    texts: Sequence[str | None],
    vectors: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Say which of some hits are copies of an earlier one.

    Args:
        content_hashes: K hashes of the bytes of the files, best hit first. Each hit stands for another file; those of
            equal bytes have one perceptual hash.
        phashes: K perceptual hashes; None where there is none.
        texts: K captions; hits with different ones are no copies, but one without may be a copy of one with.
        vectors: (K, D) unit rows.

    Returns:
        (K,) the place of the first hit that it is a copy of, which is no copy itself, or -1.
    """
    known = _known(phashes)
    contents = np.unique(np.asarray(content_hashes, np.str_), return_inverse=True)[1]
    captions = np.array([text or "" for text in texts], object)
    originals = np.full(len(known), -1, np.int64)
    for place, later in _near_by_hash(known):
        if originals[place] >= 0:
            continue
        others = later[originals[later] < 0]
        cosines = np.einsum("nd,d->n", vectors[others], vectors[place])
        is_copy = (contents[others] == contents[place]) | are_near(known[others], known[place], cosines)
        is_copy &= (captions[others] == captions[place]) | (captions[others] == "") | (not captions[place])
        originals[others[is_copy]] = place
    return originals


def _near_by_hash(known: Hashes) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each of the first hits with a hash, in order, and all later ones whose hashes are near."""
    values, codes = np.unique(known, return_inverse=True)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    near = [[code] for code in range(len(values))]
    for one, other in near_pairs(values, MOST_BITS).tolist():
        near[one].append(other)
        near[other].append(one)
    leaders = {place for some in members for place in some[:MOST_LEADERS].tolist()}
    for place in sorted(leaders):
        later = np.concatenate([members[code] for code in near[codes[place]]])
        yield place, np.sort(later[later > place])


def may_be_near(phashes: Sequence[int | None]) -> NDArray[np.bool_]:
    """Return which of some hits have a perceptual hash near that of another one; only their vectors need to be read."""
    known = _known(phashes)
    different, codes, counts = np.unique(known, return_inverse=True, return_counts=True)
    is_suspect = counts > 1
    is_suspect[near_pairs(different, MOST_BITS).ravel()] = True
    return np.asarray(is_suspect[codes] & (known != FLAT))


def are_near(left: Hashes, right: Hashes | np.uint64, cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pictures are near copies, by their perceptual hashes and the cosines of their vectors."""
    has_structure = (left != FLAT) & (right != FLAT)
    return np.asarray(has_structure & (distances(left, right) <= MOST_BITS) & (cosines >= LEAST_COSINE))


def _known(phashes: Sequence[int | None]) -> Hashes:
    return np.array([FLAT if phash is None else phash for phash in phashes], np.uint64)
