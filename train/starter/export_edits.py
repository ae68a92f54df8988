"""Export what the starter knows of edits: the embeddings of its example phrases, and how edits move features.

    python -m train.starter.export_edits --photos ../shared/data/captioned/manifest.jsonl

A photo after an edit is another photo to the vision tower. How much its features and its class mix move on average is
measured on train photos with the formulas of `composed_edits.py`, and stored for each edit of the encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.config import SourceConfig
from train.data.sources import captioned
from train.starter.composed_edits import KNOWN, RARE, DevelopmentEdit
from train.starter.weight_hashes import update_weight_hashes
from unite_search.encoders.starter.conse import Conse
from unite_search.encoders.starter.edits import EDITS
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder, squashed
from unite_search.encoders.starter.phrases import all_phrases
from unite_search.encoders.starter.towers import TextTower, VisionTower
from unite_search.media.load import load_image

FILES = ("edits.npy", "shifts.npy")
SHIFTED = "train[2000:2150]"
"""The photos that edits are measured on; others than those that `train/starter/composed_recall.py` asks for."""
BATCH = 32

Floats = NDArray[np.float32]


def export_edits(manifest: Path, weights: Path) -> None:
    """Write `FILES` into a folder that has the towers, and put their hashes into its `weights.json`."""
    text = TextTower(weights / "text.onnx", weights / "tokenizer.json")
    np.save(weights / "edits.npy", text([phrase for phrase, _ in all_phrases()]))
    np.save(weights / "shifts.npy", _shifts(manifest, weights).astype(np.float16))
    update_weight_hashes(weights, FILES)


def _shifts(manifest: Path, weights: Path) -> Floats:
    """The mean shift of (features, class mix) for each of `EDITS`, (E, 1280 + 384)."""
    look, conse = VisionTower(weights / "vision.onnx"), Conse(np.load(weights / "classes.npy").astype(np.float32))
    paths = [path for path, _ in captioned(SourceConfig(kind="captions", path=str(manifest), split=SHIFTED))]
    photos = [Image.fromarray(load_image(Path(path), StarterEncoder.media)[0].pixels) for path in paths]
    before = _mean_features(photos, look, conse)
    edits = KNOWN | RARE
    return np.stack([_mean_features(_edited(photos, edits[name]), look, conse) - before for name in EDITS])


def _edited(photos: list[Image.Image], edit: DevelopmentEdit) -> list[Image.Image]:
    return [edit.formulas[number % len(edit.formulas)](photo) for number, photo in enumerate(photos)]


def _mean_features(photos: list[Image.Image], look: VisionTower, conse: Conse) -> Floats:
    pixels = np.concatenate([squashed(np.asarray(photo)[None]) for photo in photos])
    seen = [look(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    rows = [np.concatenate([one.features, conse.pictures(one.logits)], axis=1) for one in seen]
    return np.asarray(np.concatenate(rows).mean(axis=0), np.float32)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Export what the starter encoder knows of edits.")
    parser.add_argument("--photos", type=Path, required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the starter's weights")
    given = parser.parse_args()
    export_edits(given.photos, given.out)


if __name__ == "__main__":
    main()
