"""Which copies of photos are found, and what is taken for one: by hash, number of bits, and cosine.

400 dev photos get six kinds of copies each, and two pictures that are no copies: the next photo of a burst, drawn by
moving and turning the camera, and the mirrored photo. Wrong pairs are those among all dev photos. Two seconds later, a
clip shows another moment, or the same one where nothing moves. The difference hash is the alternative.

Source: Krawetz, "Kind of Like That", 2013, hackerfactor.com (the difference hash).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageEnhance
from numpy.typing import NDArray

from benchmarks.common.photos import embed, read_clips, read_photos
from unite_search.content import Image
from unite_search.encoders.base import Encoder
from unite_search.errors import UnreadableFileError
from unite_search.media.images import read_image
from unite_search.media.perceptual_hash import perceptual_hash
from unite_search.media.video import Video
from unite_search.search.copies import LEAST_COSINE, MOST_BITS
from unite_search.search.hamming import distances

COPIED = 400
BITS = (4, 6, 8, 10, 12)
COSINES = (-1.0, 0.7, 0.75, 0.8, 0.85, 0.9)
LATER_S = 2.0
MAX_PIXELS = 200_000_000
KINDS = ("jpeg 40", "half size", "cropped 3 %", "brighter 10 %", "png", "webp 75", "burst", "mirrored")

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Hashes = NDArray[np.uint64]


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Make copies, hash and embed everything, and count."""
    photos = [entry.path for entry in read_photos(data, "dev")]
    shown = {"photo": [_decoded(path, encoder) for path in photos], **_copies(photos[:COPIED], encoder)}
    moments = list(_moments(data, encoder))
    shown |= {"moment": [first for first, _ in moments], "2 s later": [later for _, later in moments]}
    started = time.process_time()
    vectors = {kind: embed(encoder, list(map(Image, pictures))) for kind, pictures in shown.items()}
    encode_us = _microseconds(started, shown)
    return {
        "photos": len(photos),
        "copied": COPIED,
        "clips": len(shown["moment"]),
        "encode_us": encode_us,
        "chosen": {"hash": "dct", "most_bits": MOST_BITS, "least_cosine": LEAST_COSINE},
        "hashes": {name: _judged(make, shown, vectors) for name, make in HASHES.items()},
    }


def _decoded(path: Path, encoder: Encoder) -> Pixels:
    """Decode a picture as `index` does."""
    return read_image(path, side=encoder.media.image_side, max_pixels=MAX_PIXELS).image.pixels


def _copies(photos: list[Path], encoder: Encoder) -> dict[str, list[Pixels]]:
    """Return the decoded copies of the photos, by kind."""
    generator = np.random.default_rng(0)
    copies: dict[str, list[Pixels]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy"
        for photo in photos:
            with PIL.Image.open(photo) as opened:
                picture = opened.convert("RGB")
            for kind, (changed, form, quality) in zip(KINDS, _changed(picture, generator), strict=True):
                changed.save(path, form, quality=quality)
                copies[kind].append(_decoded(path, encoder))
    return copies


def _changed(photo: PIL.Image.Image, generator: np.random.Generator) -> Iterator[tuple[PIL.Image.Image, str, int]]:
    """Yield the changed pictures in the order of `KINDS`, each with format and quality."""
    width, height = photo.size
    cut = round(0.03 * width), round(0.03 * height)
    left, top = (int(generator.integers(0, most + 1)) for most in cut)
    yield photo, "JPEG", 40
    yield photo.resize((width // 2, height // 2), PIL.Image.Resampling.LANCZOS), "JPEG", 85
    yield photo.crop((left, top, left + width - cut[0], top + height - cut[1])), "JPEG", 90
    yield PIL.ImageEnhance.Brightness(photo).enhance(1.1), "JPEG", 90
    yield photo, "PNG", 0
    yield photo, "WEBP", 75
    turned = photo.rotate(2, PIL.Image.Resampling.BICUBIC)
    yield turned.crop((round(0.08 * width), cut[1], width, height - cut[1])), "JPEG", 90
    yield photo.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", 90


def _moments(data: Path, encoder: Encoder) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield the middle frame of each clip that goes on for long enough, and the frame some seconds later."""
    for entry in read_clips(data):
        try:
            video = Video(entry.path, max_pixels=MAX_PIXELS)
        except UnreadableFileError:
            continue
        middle = video.duration_s / 2
        if middle > LATER_S:
            places = np.searchsorted(video.times_s, [middle, middle + LATER_S], side="right") - 1
            first, second = video.clip(places, side=encoder.media.frame_side).frames
            yield first, second


def _judged(
    make: Callable[[Pixels], int], shown: dict[str, list[Pixels]], vectors: dict[str, Vectors]
) -> dict[str, Any]:
    started = time.process_time()
    hashes = {kind: np.array(list(map(make, pictures)), np.uint64) for kind, pictures in shown.items()}
    hash_us = _microseconds(started, shown)
    pairs = {kind: ("photo", kind) for kind in KINDS} | {"2 s later": ("moment", "2 s later")}
    compared = {name: _compared(hashes, vectors, *kinds) for name, kinds in pairs.items()}
    left, right = np.triu_indices(len(hashes["photo"]), 1)
    cosines = (vectors["photo"] @ vectors["photo"].T)[left, right]
    different = distances(hashes["photo"][left], hashes["photo"][right]), cosines
    return {
        "hash_us": hash_us,
        "different_pairs": len(left),
        "taken_for_copies": [
            {
                "most_bits": bits,
                "least_cosine": cosine if cosine > -1 else None,
                "different": int(np.count_nonzero((different[0] <= bits) & (different[1] >= cosine))),
                **{name: round(float(np.mean((d <= bits) & (c >= cosine))), 4) for name, (d, c) in compared.items()},
            }
            for bits in BITS
            for cosine in COSINES
        ],
    }


def _compared(
    hashes: dict[str, Hashes], vectors: dict[str, Vectors], first: str, second: str
) -> tuple[NDArray[np.int64], Vectors]:
    """Return the bits in which pictures and what was made of them differ, and the cosines of their vectors."""
    count = len(hashes[second])
    bits = distances(hashes[first][:count], hashes[second])
    return bits, np.einsum("nd,nd->n", vectors[first][:count], vectors[second])


def _difference_hash(pixels: Pixels) -> int:
    """Return 64 bits: whether a cell of 9 x 8 is brighter than the one to its left."""
    small = PIL.Image.fromarray(pixels).resize((9, 8), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0).convert("L")
    grey = np.asarray(small, np.int64)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def _microseconds(started: float, shown: dict[str, list[Pixels]]) -> int:
    """Return the CPU time since a moment, per picture."""
    return round((time.process_time() - started) / sum(map(len, shown.values())) * 1e6)


HASHES: dict[str, Callable[[Pixels], int]] = {"dct": perceptual_hash, "difference": _difference_hash}
