"""Experiments on the starter's head, each made of several short runs: which loss, which order of stages, which data.

    python -m train.starter.studies losses --seeds 5 --out docs/results/study-losses.json

All variants of a study train for the same total number of steps. Each is measured on photos that no run has seen, for
each kind of query and target; tables show the mean over seeds and the standard deviation between them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.config import ModelConfig, SourceConfig, load_config
from train.data.pairs import Pair
from train.data.sources import read_pairs
from train.loop import Run
from train.record import write_measurement
from train.starter.trainee import StarterTrainee
from train.trainee import Trainee, embed_in_chunks

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FOLDER = Path("build") / "studies"
MANIFEST = "../shared/data/captioned/manifest.jsonl"
ADAPT_STEPS, TUNE_STEPS = 150, 100
SHORT = ("data.batch=256", "data.chunk=256", "run.save_every=100000", "run.evaluate_every=100000")
MEASURED = {
    "text -> image": "captions",
    "image -> text": "photos",
    "text -> text": "paraphrases",
    "text+image -> image, mined": "mined",
    "text+image -> image, edited": "edits",
}
DEPTHS = (1, 10)


@dataclass(frozen=True, slots=True)
class StudyStage:
    """One run of a variant: a file in `train/configs`, the number of steps, and overridden settings."""

    config: str
    steps: int
    settings: tuple[str, ...] = ()


def _only(*kinds: str) -> tuple[str, ...]:
    sources = ", ".join(f'{{kind = "{kind}", path = "{MANIFEST}"}}' for kind in kinds)
    return (f"data.sources=[{sources}]",)


ONE_WAY = "loss.symmetric=false"
PLAIN = "loss.stage=1"
STAGES = {
    "adapt": StudyStage("starter-1.toml", ADAPT_STEPS),
    "adapt-text": StudyStage("starter-1.toml", ADAPT_STEPS, _only("paraphrases")),
    "adapt-image": StudyStage("starter-1.toml", ADAPT_STEPS, _only("captions")),
    "adapt-both": StudyStage("starter-1.toml", ADAPT_STEPS, _only("captions", "paraphrases")),
    "mamcl": StudyStage("starter-2.toml", TUNE_STEPS, (ONE_WAY,)),
    "infonce": StudyStage("starter-2.toml", TUNE_STEPS, (ONE_WAY, PLAIN)),
    "mamcl-both": StudyStage("starter-2.toml", TUNE_STEPS),
    "infonce-both": StudyStage("starter-2.toml", TUNE_STEPS, (PLAIN,)),
    "mamcl-alone": StudyStage("starter-2.toml", ADAPT_STEPS + TUNE_STEPS, (ONE_WAY, 'model.checkpoint=""')),
}
STUDIES: dict[str, dict[str, tuple[str, ...]]] = {
    "losses": {
        "MAMCL": ("adapt", "mamcl"),
        "InfoNCE": ("adapt", "infonce"),
        "MAMCL, both directions": ("adapt", "mamcl-both"),
        "InfoNCE, both directions": ("adapt", "infonce-both"),
    },
    "stages": {
        "stage 2 alone": ("mamcl-alone",),
        "stage 1, stage 2": ("adapt", "mamcl"),
        "InfoNCE twice": ("adapt", "infonce"),
    },
    "data": {
        "text-text only": ("adapt-text",),
        "text-image only": ("adapt-image",),
        "half and half": ("adapt-both",),
        "starter-1.toml": ("adapt",),
    },
}


def study(name: str, seeds: int) -> dict[str, Any]:
    """Run all variants of a study with all seeds; runs that are already complete are not repeated.

    Returns:
        For each variant and each kind of query, R@K in percent: mean and standard deviation over seeds.
    """
    pairs = {way: read_pairs(SourceConfig(kind=kind, path=MANIFEST, split="dev")) for way, kind in MEASURED.items()}
    found = {
        variant: [_measured(_trained(stages, seed), pairs) for seed in range(seeds)]
        for variant, stages in STUDIES[name].items()
    }
    return {
        variant: {
            way: {depth: _spread([values[way][depth] for values in results]) for depth in results[0][way]}
            for way in MEASURED
        }
        for variant, results in found.items()
    }


def _trained(stages: Sequence[str], seed: int) -> Path:
    """Train the stages of a variant one after the other and return the export of the last."""
    before = ""
    for count, stage in enumerate(map(STAGES.__getitem__, stages), start=1):
        out = FOLDER / f"{'+'.join(stages[:count])}-{seed}"
        start = [f"model.checkpoint={before}"] if before else []
        settings = [*SHORT, f"run.out={out}", f"run.seed={seed}", f"run.steps={stage.steps}", *stage.settings, *start]
        Run(load_config(CONFIGS / stage.config, settings)).train()
        before = str(out / "encoder")
    return Path(before)


def _measured(encoder: Path, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, dict[str, float]]:
    trainee = StarterTrainee(ModelConfig(checkpoint=str(encoder)))
    trainee.prepare([pair for asked in pairs.values() for pair in asked])
    trainee.module.eval()
    return {way: recall(trainee, asked) for way, asked in pairs.items()}


def recall(trainee: Trainee, pairs: Sequence[Pair]) -> dict[str, float]:
    """Compute R@K in percent: the first query of each right answer against the gallery of all right answers.

    A query's own picture is left out of the ranking where it is the right answer of another query.
    """
    asked = list({pair.group or pair.candidate: pair for pair in reversed(pairs)}.values())
    queries, gallery = [pair.query for pair in asked], [pair.candidate for pair in asked]
    embedded = embed_in_chunks(trainee, queries, "query"), embed_in_chunks(trainee, gallery, "candidate")
    scores = embedded[0].numpy() @ embedded[1].numpy().T
    own = np.array([[bool(side.images) and side.images == query.images for side in gallery] for query in queries])
    scores[own & ~np.eye(len(asked), dtype=bool)] = -np.inf
    rank = (scores >= np.diag(scores)[:, None]).sum(axis=1)
    return {f"recall_at_{depth}": 100 * float((rank <= depth).mean()) for depth in DEPTHS}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 2), "std": round(float(np.std(values, ddof=1)), 2)}


def main() -> None:
    """Run one study from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.studies",
        description="Compare variants of the starter's training: losses, order of stages, or data.",
    )
    parser.add_argument("study", choices=sorted(STUDIES), help="which comparison to run")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each variant, at least 2")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error(f"--seeds is {given.seeds}; expected at least 2")
    results = study(given.study, given.seeds)
    measured = {
        "torch": torch.__version__,
        "steps": {stage: entry.steps for stage, entry in STAGES.items()},
        "variants": STUDIES[given.study],
        "results": results,
    }
    command = f"python -m train.starter.studies {given.study} --seeds {given.seeds}"
    sys.stdout.write(write_measurement(given.out, command, measured))


if __name__ == "__main__":
    main()
