"""The starter encoder with the head of one seed at a time, and with the heads of all: what training's luck amounts to.

`make starter` leaves a folder of weights for each seed in `build/`. Retrieval is measured in two ways: with one caption
a photo, as in `retrieval`, and as papers on Flickr8k do, with five, of which a photo may find any.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import composed, retrieval
from benchmarks.photos import Captioned, embed, read_photos
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder
from unite_search.media.load import load_image

SEEDS = "build/starter-seed-*"
DEPTHS = (1, 5, 10)
CAPTIONS = 5

Floats = NDArray[np.float32]


def run(data: Path) -> dict[str, Any]:
    """Measure each seed and what ships.

    Args:
        data: the folder that holds `captioned/` and `videos/`.

    Raises:
        FileNotFoundError: no seeds were trained here.
    """
    folders = sorted(Path().glob(SEEDS))
    if not folders:
        raise FileNotFoundError(f"there is no {SEEDS}; run `make starter` first")
    seeds = {folder.name.rpartition("-")[2]: measure(data, StarterEncoder(folder)) for folder in folders}
    return {"seeds": seeds, **summary(list(seeds.values())), "shipped": measure(data, StarterEncoder(WEIGHTS))}


def measure(data: Path, encoder: StarterEncoder) -> dict[str, float]:
    """All numbers of one encoder, in percent."""
    found = retrieval.run(data, encoder)
    edits = composed.run(data, encoder)["recall_at_1"]["composed"]
    one = {
        "text_to_image": found["photos"]["text_to_image"],
        "image_to_text": found["photos"]["image_to_text"],
        "text_to_clip": found["clips"]["text_to_clip"],
        **five_captions(read_photos(data, "dev"), encoder),
    }
    flat = {f"{way} {depth}": value for way, recalls in one.items() for depth, value in recalls.items()}
    labels = {"labels precision_at_5": found["labels"]["precision_at_5"]}
    return flat | labels | {f"composed recall_at_1 {edit}": value for edit, value in edits.items()}


def five_captions(photos: Sequence[Captioned], encoder: StarterEncoder) -> dict[str, dict[str, float]]:
    """Every caption looks for its photo, and every photo for any of its five captions among those of all."""
    pictures = [load_image(photo.path, encoder.media)[0] for photo in photos]
    captions = [caption for photo in photos for caption in photo.captions[:CAPTIONS]]
    asking, answering = embed(encoder, captions, "query"), embed(encoder, captions)
    to_image = _own_rank(np.asarray(asking @ embed(encoder, pictures).T), CAPTIONS)
    scores = embed(encoder, pictures, "query") @ answering.T  # (N, 5 N)
    own = scores.reshape(len(photos), len(photos), CAPTIONS)[np.arange(len(photos)), np.arange(len(photos))].max(axis=1)
    to_text = (scores >= own[:, None]).sum(axis=1)
    return {"text_to_image, five captions": _recalls(to_image), "image_to_text, five captions": _recalls(to_text)}


def summary(seeds: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over seeds."""
    values = {name: [seed[name] for seed in seeds] for name in seeds[0]}
    spread = {name: round(float(np.std(each, ddof=1)), 2) if len(each) > 1 else 0.0 for name, each in values.items()}
    return {"mean": {name: round(float(np.mean(each)), 2) for name, each in values.items()}, "std": spread}


def _own_rank(scores: Floats, each: int) -> NDArray[np.int64]:
    """Rank, from 1, of row i's own column i // each of (N each, N) scores."""
    own = scores[np.arange(len(scores)), np.arange(len(scores)) // each]
    return np.asarray((scores >= own[:, None]).sum(axis=1))


def _recalls(ranks: NDArray[np.int64]) -> dict[str, float]:
    return {f"recall_at_{depth}": round(100 * float((ranks <= depth).mean()), 1) for depth in DEPTHS}
