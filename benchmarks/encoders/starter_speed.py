"""Measure the speed of the starter encoder: photos per second from their files, and texts per second, in batches.

Photos are decoded in one thread while the previous batch is encoded, similar to an index run; the benchmark `ingest`
measures a complete one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common.photos import BATCH, Captioned, read_photos
from unite_search.content import Content
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_image

PHOTOS, TEXTS = 512, 2048
ROUNDS = 3


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Measure on dev photos and their captions.

    Args:
        data: the folder that holds `captioned/`.
        encoder: the encoder to measure.
    """
    photos = read_photos(data, "dev")
    texts = [Content((caption,)) for photo in photos for caption in photo.captions][:TEXTS]
    encoder.encode([_content(photos[0], encoder), texts[0]], role="candidate")
    return {
        "photos": PHOTOS,
        "photos_per_s": _rates(PHOTOS, lambda: _encode_photos(photos[:PHOTOS], encoder)),
        "texts": len(texts),
        "texts_per_s": _rates(len(texts), lambda: _encode_texts(texts, encoder)),
    }


def _rates(count: int, work: Callable[[], None]) -> dict[str, float]:
    """Return the median, lowest and highest rate, in items per second, over the rounds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    rates = [round(count / each, 1) for each in seconds]
    return {"median": statistics.median(rates), "lowest": min(rates), "highest": max(rates)}


def _encode_photos(photos: list[Captioned], encoder: Encoder) -> None:
    groups = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
    with ThreadPoolExecutor(1) as reader:
        for contents in reader.map(lambda group: [_content(photo, encoder) for photo in group], groups):
            encoder.encode(contents, role="candidate")


def _encode_texts(texts: list[Content], encoder: Encoder) -> None:
    for start in range(0, len(texts), BATCH):
        encoder.encode(texts[start : start + BATCH], role="candidate")


def _content(photo: Captioned, encoder: Encoder) -> Content:
    return Content((load_image(photo.path, encoder.media)[0],))
