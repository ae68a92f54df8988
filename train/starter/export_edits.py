"""Export the data of the starter's edits: embeddings of example phrases, and the mean shift of features by each edit.

    python -m train.starter.export_edits --photos ../shared/data/captioned/manifest.jsonl

An edit of a photo changes its features. The mean shift of features and class mix is measured on train photos with the
formulas of `composed_edits.py`, and stored for each edit of the encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.config import SourceConfig
from train.data.sources import captioned
from train.starter.composed_edits import KNOWN, RARE
from train.starter.weight_hashes import update_weight_hashes
from unite_search.encoders.starter.conse import Conse
from unite_search.encoders.starter.edits import EDITS
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder, squashed
from unite_search.encoders.starter.phrases import all_phrases
from unite_search.encoders.starter.towers import TextTower, VisionTower
from unite_search.media.load import load_image

FILES = ("edits.npy", "shifts.npy")
SHIFTED = "train[2000:2150]"
"""The photos that shifts are measured on, which differ from those of `train/starter/composed_recall.py`."""
BATCH = 32

Floats = NDArray[np.float32]


def export_edits(manifest: Path, weights: Path) -> None:
    """Write `FILES` into a folder that has the towers, and add their hashes to its `weights.json`."""
    text = TextTower(weights / "text.onnx", weights / "tokenizer.json")
    np.save(weights / "edits.npy", text([phrase for phrase, _ in all_phrases()]))
    np.save(weights / "shifts.npy", _shifts(manifest, weights).astype(np.float16))
    update_weight_hashes(weights, FILES)


def _shifts(manifest: Path, weights: Path) -> Floats:
    """Measure the mean shift of features and class mix by each of `EDITS`, (E, 1280 + 384)."""
    look, conse = VisionTower(weights / "vision.onnx"), Conse(np.load(weights / "classes.npy").astype(np.float32))
    paths = [path for path, _ in captioned(SourceConfig(kind="captions", path=str(manifest), split=SHIFTED))]
    photos = [Image.fromarray(load_image(Path(path), StarterEncoder.media)[0].pixels) for path in paths]
    before = _mean_features(photos, look, conse)
    edits = [(KNOWN | RARE)[name] for name in EDITS]
    edited = ([edit.apply(photo, number) for number, photo in enumerate(photos)] for edit in edits)
    return np.stack([_mean_features(after, look, conse) - before for after in edited])


def _mean_features(photos: list[Image.Image], look: VisionTower, conse: Conse) -> Floats:
    """Return the mean features and class mix of photos, (1280 + 384,)."""
    pixels = np.concatenate([squashed(np.asarray(photo)[None]) for photo in photos])
    seen = [look(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    rows = [np.concatenate([one.features, conse.pictures(one.logits)], axis=1) for one in seen]
    return np.asarray(np.concatenate(rows).mean(axis=0), np.float32)


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.export_edits",
        description="Export the embeddings of example phrases and the mean shift of features by each edit.",
    )
    parser.add_argument("--photos", type=Path, required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS, help="folder of the starter's weights (default: %(default)s)"
    )
    given = parser.parse_args()
    export_edits(given.photos, given.out)


if __name__ == "__main__":
    main()
