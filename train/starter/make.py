"""Train the starter's heads: compute features, train both stages for each seed, join the heads into one file.

    python -m train.starter.make --seeds 3

Work that is done is not repeated: features are cached in `build/`, and a stopped run is resumed. Besides the weights of
the package, this writes `build/starter-seed-N`, a folder of weights with the head of one seed, to measure it alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from train.config import ModelConfig, load_config
from train.data.sources import read_pairs
from train.starter.ensemble import join_heads
from train.starter.trainee import CACHE, HEAD, StarterTrainee
from unite_search.encoders.starter.encoder import WEIGHTS

BUILD = Path("build")
CONFIGS = Path(__file__).resolve().parents[1] / "configs"
STAGES = (1, 2)

log = logging.getLogger("train.starter.make")


def compute_features() -> None:
    """Compute the features of all photos and texts of both stages."""
    configs = [load_config(CONFIGS / f"starter-{stage}.toml") for stage in STAGES]
    pairs = [pair for config in configs for source in config.data.sources for pair in read_pairs(source)]
    StarterTrainee(ModelConfig()).prepare(pairs)


def train_seed(seed: int) -> Path:
    """Train one head in both stages, each in its own process; returns the export of the last stage.

    Raises:
        subprocess.CalledProcessError: a run failed; its error message is on stderr.
    """
    out = [BUILD / f"starter-{stage}-{seed}" for stage in STAGES]
    for stage, folder in zip(STAGES, out, strict=True):
        settings = [f"run.seed={seed}", f"run.out={folder}"]
        if stage == 2:
            settings.append(f"model.checkpoint={out[0] / 'encoder'}")
        flags = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "train", str(CONFIGS / f"starter-{stage}.toml"), *flags]
        subprocess.run(command, check=True)
    return out[-1] / "encoder"


def package_seed(encoder: Path, out: Path) -> None:
    """Make a folder of weights with the head of one seed; the towers are symbolic links."""
    out.mkdir(parents=True, exist_ok=True)
    for path in WEIGHTS.iterdir():
        if path.name not in (HEAD, "weights.json") and not (out / path.name).exists():
            (out / path.name).symlink_to(path.resolve())
    (out / "weights.json").write_bytes((WEIGHTS / "weights.json").read_bytes())
    join_heads([encoder], CACHE, out)


def main() -> None:
    """Train the starter from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.make",
        description="Train the starter's heads on captioned photos and join them into the weights of the package.",
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of heads; each adds 2 MB (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS, help="folder of weights to write to (default: the package)"
    )
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("train").setLevel(logging.INFO)
    compute_features()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        encoders = list(threads.map(train_seed, range(given.seeds)))
    for seed, encoder in enumerate(encoders):
        package_seed(encoder, BUILD / f"starter-seed-{seed}")
    join_heads(encoders, CACHE, given.out)
    log.info("%d heads in %s; copy the hash of %s to MODEL_CARD.md", len(encoders), given.out, HEAD)


if __name__ == "__main__":
    main()
