"""Measure composed search on mined triplets of held-out photos: a photo and a sentence must find another photo.

    python -m train.starter.mined_recall --manifest ../shared/data/captioned/manifest.jsonl --out FILE.json

The gallery is all photos of the split; a query's own photo is left out. Baselines use the same encoder on the photo
alone, on the sentence alone, and on both with their scores summed, with the weight that is best on these queries.
`described` is not a method but an upper bound: it is given a description of the target photo, so it composes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.config import SourceConfig
from train.data.mine import DEV_SENTENCES, Triplet, mine
from train.data.sources import captioned
from train.record import write_measurement
from unite_search.content import Content, Image
from unite_search.encoders.base import DEFAULT_ENCODER, Encoder, Role, load_encoder
from unite_search.encoders.starter.encoder import StarterEncoder
from unite_search.media.load import load_image

Floats = NDArray[np.float32]
DEPTHS = (1, 5, 10)
TEXT_WEIGHTS = np.linspace(0, 1, 21)
"""Weights of the text that late fusion is tried with."""
BATCH = 64


def measure(photos: Sequence[tuple[str, list[str]]], encoder: Encoder) -> dict[str, Any]:
    """Compute R@K in percent of each method.

    Args:
        photos: path and captions of each photo of the gallery.
        encoder: the encoder to measure.
    """
    triplets = mine([captions for _, captions in photos], DEV_SENTENCES)
    images = [load_image(Path(path), encoder.media)[0] for path, _ in photos]
    gallery = embed(encoder, [Content((image,)) for image in images], "candidate")
    methods = _scores(encoder, triplets, images, gallery)
    recalls = {name: _recalls(scores, triplets) for name, scores in methods.items()}
    fused = [
        _recalls((1 - weight) * methods["image_only"] + weight * methods["text_only"], triplets)
        for weight in TEXT_WEIGHTS
    ]
    recalls["late_fusion"] = max(fused, key=lambda found: found[f"recall_at_{DEPTHS[-1]}"])
    return {"triplets": len(triplets), "photos": len(photos), "recall": recalls}


def _scores(
    encoder: Encoder, triplets: Sequence[Triplet], images: Sequence[Image], gallery: Floats
) -> dict[str, Floats]:
    """Compute the (Q, N) scores of each method."""
    references = [images[triplet.reference] for triplet in triplets]
    contents = {
        "composed": [Content((image, triplet.edit)) for image, triplet in zip(references, triplets, strict=True)],
        "image_only": [Content((image,)) for image in references],
        "text_only": [Content((triplet.edit,)) for triplet in triplets],
        "described": [Content((triplet.described,)) for triplet in triplets],
    }
    return {name: embed(encoder, queries, "query") @ gallery.T for name, queries in contents.items()}


def _recalls(scores: Floats, triplets: Sequence[Triplet]) -> dict[str, float]:
    """Compute R@K in percent from (Q, N) scores, where the reference of a query is left out."""
    rows = np.arange(len(triplets))
    ranked = scores.copy()
    ranked[rows, [triplet.reference for triplet in triplets]] = -np.inf
    right = ranked[rows, [triplet.target for triplet in triplets]]
    rank = (ranked >= right[:, None]).sum(axis=1)
    return {f"recall_at_{depth}": round(100 * float((rank <= depth).mean()), 1) for depth in DEPTHS}


def embed(encoder: Encoder, contents: Sequence[Content], role: Role) -> Floats:
    """Embed N contents in batches, to (N, D)."""
    starts = range(0, len(contents), BATCH)
    return np.concatenate([encoder.encode(contents[start : start + BATCH], role=role) for start in starts])


def main() -> None:
    """Measure and write a JSON file, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.mined_recall",
        description="Measure composed search on triplets that are mined from captions.",
    )
    parser.add_argument("--manifest", required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument("--split", default="dev", help="split of the manifest (default: %(default)s)")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="encoder to measure (default: %(default)s)")
    parser.add_argument(
        "--seeds", type=Path, nargs="*", default=[], help="further folders of starter weights to measure, one per seed"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    given = parser.parse_args()
    photos = captioned(SourceConfig(kind="mined", path=given.manifest, split=given.split))
    command = " ".join(["python -m train.starter.mined_recall", *sys.argv[1:]])
    measured = {
        "results": measure(photos, load_encoder(given.encoder)),
        "seeds": {folder.name: measure(photos, StarterEncoder(folder))["recall"] for folder in given.seeds},
    }
    sys.stdout.write(write_measurement(given.out, command, measured))


if __name__ == "__main__":
    main()
