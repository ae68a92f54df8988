"""From captioned photos to the starter's weights: features, both stages for each seed, one file of all heads.

    python -m train.starter.make --seeds 3

What is done is not done again: features are cached in `build/`, and a run that was stopped goes on. Besides the weights
of the package, `build/starter-seed-N` is a folder of weights with the head of one seed, to be measured by itself.
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
from train.starter.ensemble import join
from train.starter.trainee import CACHE, HEAD, StarterTrainee
from unite_search.encoders.starter.encoder import WEIGHTS

BUILD = Path("build")
CONFIGS = Path(__file__).with_name("configs")
STAGES = (1, 2)

log = logging.getLogger("train.starter.make")


def compute_features() -> None:
    """Look at all photos and read all texts of both stages, once."""
    configs = [load_config(CONFIGS / f"starter-{stage}.toml") for stage in STAGES]
    pairs = [pair for config in configs for source in config.data.sources for pair in read_pairs(source)]
    StarterTrainee(ModelConfig()).prepare(pairs)


def train_seed(seed: int) -> Path:
    """Train a head in both stages, in a process of its own each; returns what the last exported.

    Raises:
        subprocess.CalledProcessError: a run failed; it has said why.
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


def package(encoder: Path, out: Path) -> None:
    """Make a folder of weights whose head is that of one seed; the towers are links."""
    out.mkdir(parents=True, exist_ok=True)
    for path in WEIGHTS.iterdir():
        if path.name not in (HEAD, "weights.json") and not (out / path.name).exists():
            (out / path.name).symlink_to(path.resolve())
    (out / "weights.json").write_bytes((WEIGHTS / "weights.json").read_bytes())
    join([encoder], CACHE, out)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(prog="python -m train.starter.make", description="Train the starter's heads.")
    parser.add_argument("--seeds", type=int, default=3, help="how many heads; each adds 2 MB")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the starter's weights")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("train").setLevel(logging.INFO)
    compute_features()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        encoders = list(threads.map(train_seed, range(given.seeds)))
    for seed, encoder in enumerate(encoders):
        package(encoder, BUILD / f"starter-seed-{seed}")
    join(encoders, CACHE, given.out)
    log.info("%d heads in %s; put the hash of %s into MODEL_CARD.md", len(encoders), given.out, HEAD)


if __name__ == "__main__":
    main()
