"""Measure retrieval between words and pictures: clips by caption, photos by caption and back, photos by label.

A caption has one right answer, the picture it was written for (R@K as in papers: the share of queries whose right
answer is among the first K). The right answers of a label are all photos with the word in one of their five captions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_clips, read_photos
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_clip, load_image

DEPTHS = (1, 5, 10)
LABEL_DEPTH = 5
LABELS: tuple[str, ...] = (
    *("dog", "horse", "bird", "bicycle", "motorcycle", "car", "boat", "skateboard", "snowboard", "surfboard"),
    *("guitar", "football", "baseball", "basketball", "soccer", "tennis", "swing", "slide", "trampoline", "tent"),
    *("bench", "fence", "fountain", "pool", "beach", "lake", "ocean", "mountain", "cliff", "snow"),
    *("grass", "sand", "street", "bridge", "train", "bus", "kayak", "hat", "sunglasses", "umbrella"),
)

Floats = NDArray[np.float32]


def run(data_dir: Path, encoder: Encoder, *, split: str = "dev") -> dict[str, Any]:
    """Measure on all clips and on the photos of a split.

    Args:
        data_dir: the folder that holds `captioned/` and `videos/`.
        encoder: the encoder to measure; it must take texts, images and clips.
        split: `dev`, or `train` for tuning; the clips have no splits.

    Returns:
        Percentages, with the number of items that each was measured on.
    """
    return {"clips": _clips(read_clips(data_dir), encoder), **_photos(read_photos(data_dir, split)[:1000], encoder)}


def recall(scores: Floats) -> dict[str, float]:
    """Compute R@K in percent from (N, N) scores with the right answers on the diagonal; ties count against them."""
    better = (scores >= np.diag(scores)[:, None]).sum(axis=1) - 1
    return {f"recall_at_{depth}": _percent((better < depth).mean()) for depth in DEPTHS}


def label_precision(scores: Floats, relevant: NDArray[np.bool_]) -> list[float]:
    """Compute the precision of the first `LABEL_DEPTH` in percent, for each row of (Q, N) scores and relevance."""
    first = np.argsort(-scores, axis=1, kind="stable")[:, :LABEL_DEPTH]
    return [_percent(share) for share in np.take_along_axis(relevant, first, axis=1).mean(axis=1)]


def _clips(clips: list[Captioned], encoder: Encoder) -> dict[str, Any]:
    embeddings = embed(encoder, [load_clip(clip.path, encoder.media)[0] for clip in clips])
    captions = embed(encoder, [clip.captions[0] for clip in clips], "query")
    return {"clips": len(clips), "text_to_clip": recall(captions @ embeddings.T)}


def _photos(photos: list[Captioned], encoder: Encoder) -> dict[str, Any]:
    pictures = [load_image(photo.path, encoder.media)[0] for photo in photos]
    captions = [photo.captions[0] for photo in photos]
    embeddings = embed(encoder, pictures)
    return {
        "photos": {
            "photos": len(photos),
            "text_to_image": recall(embed(encoder, captions, "query") @ embeddings.T),
            "image_to_text": recall(embed(encoder, pictures, "query") @ embed(encoder, captions).T),
        },
        "labels": _labels(photos, embeddings, encoder),
    }


def _labels(photos: list[Captioned], embeddings: Floats, encoder: Encoder) -> dict[str, Any]:
    relevant = np.array([[_mentions(photo, label) for photo in photos] for label in LABELS])
    scores = embed(encoder, [f"a {label}" for label in LABELS], "query") @ embeddings.T
    precisions = label_precision(np.asarray(scores, np.float32), relevant)
    return {
        "labels": len(LABELS),
        f"precision_at_{LABEL_DEPTH}": _percent(np.mean(precisions) / 100),
        "precision_by_chance": _percent(relevant.mean()),
        "labels_with_a_right_first_five": sum(precision > 0 for precision in precisions),
        "by_label": dict(zip(LABELS, precisions, strict=True)),
    }


def _mentions(photo: Captioned, label: str) -> bool:
    return any(re.search(rf"\b{label}(s|es)?\b", caption.lower()) for caption in photo.captions)


def _percent(share: np.floating[Any] | float) -> float:
    return round(100 * float(share), 1)
