"""Measure the starter encoder with the head of each seed and with all heads, to show the variation over seeds.

`make starter` writes a folder of weights for each seed to `build/`. Retrieval is measured in two ways: with one caption
per photo, as in `retrieval`, and with five, of which a photo may find any, as in papers on Flickr8k.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_photos
from benchmarks.quality import composed, retrieval
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder
from unite_search.encoders.starter.towers import Seen
from unite_search.media.load import load_image

SEEDS = "build/starter-seed-*"
DEPTHS = (1, 5, 10)
CAPTIONS = 5

Floats = NDArray[np.float32]


def run(data: Path) -> dict[str, Any]:
    """Measure the head of each seed, and the weights of the package.

    Args:
        data: the folder that holds `captioned/` and `videos/`.

    Raises:
        FileNotFoundError: `build/` has no weights of single seeds.
    """
    folders = sorted(Path().glob(SEEDS))
    if not folders:
        raise FileNotFoundError(f"there is no {SEEDS}; run `make starter` first")
    encoders = [StarterEncoder(folder) for folder in (*folders, WEIGHTS)]
    _share_towers(encoders)
    *seeds, shipped = [measure(data, encoder) for encoder in encoders]
    names = [folder.name.rpartition("-")[2] for folder in folders]
    return {"seeds": dict(zip(names, seeds, strict=True)), **summary(seeds), "shipped": shipped}


def measure(data: Path, encoder: StarterEncoder) -> dict[str, float]:
    """Measure one encoder; returns all numbers in percent, by name."""
    found = retrieval.run(data, encoder)
    edits = composed.run(data, encoder)["seen"]["recall_at_1"]["composed"]
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
    """Measure recall from each of five captions to its photo, and from each photo to any of its five captions."""
    pictures = [load_image(photo.path, encoder.media)[0] for photo in photos]
    captions = [caption for photo in photos for caption in photo.captions[:CAPTIONS]]
    asking, answering = embed(encoder, captions, "query"), embed(encoder, captions)
    to_image = _own_rank(np.asarray(asking @ embed(encoder, pictures).T), CAPTIONS)
    scores = embed(encoder, pictures, "query") @ answering.T  # (N, 5 N)
    own = scores.reshape(len(photos), len(photos), CAPTIONS)[np.arange(len(photos)), np.arange(len(photos))].max(axis=1)
    to_text = (scores >= own[:, None]).sum(axis=1)
    return {"text_to_image, five captions": _recalls(to_image), "image_to_text, five captions": _recalls(to_text)}


def summary(seeds: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Compute mean and standard deviation over seeds."""
    values = {name: [seed[name] for seed in seeds] for name in seeds[0]}
    spread = {name: round(float(np.std(each, ddof=1)), 2) if len(each) > 1 else 0.0 for name, each in values.items()}
    return {"mean": {name: round(float(np.mean(each)), 2) for name, each in values.items()}, "std": spread}


def _share_towers(encoders: Sequence[StarterEncoder]) -> None:
    """Let all encoders use the towers of the first one, with a cache of their outputs, since only the heads differ."""
    look, read = encoders[0]._vision, encoders[0]._text
    seen: dict[bytes, tuple[Floats, Floats]] = {}
    known: dict[str, Floats] = {}

    def look_again(pixels: NDArray[np.uint8]) -> Seen:
        keys = [blake2b(picture.tobytes(), digest_size=16).digest() for picture in pixels]
        new = {key: number for number, key in enumerate(keys) if key not in seen}
        if new:
            found = look(pixels[list(new.values())])
            seen.update(zip(new, zip(found.logits, found.features, strict=True), strict=True))
        return Seen(*(np.stack(rows) for rows in zip(*(seen[key] for key in keys), strict=True)))

    def read_again(texts: Sequence[str]) -> Floats:
        new = list(dict.fromkeys(text for text in texts if text not in known))
        known.update(zip(new, read(new), strict=True) if new else ())
        return np.stack([known[text] for text in texts])

    for encoder in encoders:
        encoder._vision, encoder._text = look_again, read_again  # type: ignore[assignment]


def _own_rank(scores: Floats, each: int) -> NDArray[np.int64]:
    """Return the rank, from 1, of column i // each in row i of (N * each, N) scores."""
    own = scores[np.arange(len(scores)), np.arange(len(scores)) // each]
    return np.asarray((scores >= own[:, None]).sum(axis=1))


def _recalls(ranks: NDArray[np.int64]) -> dict[str, float]:
    return {f"recall_at_{depth}": round(100 * float((ranks <= depth).mean()), 1) for depth in DEPTHS}
