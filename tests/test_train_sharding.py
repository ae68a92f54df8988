"""Sharded weights in two processes against one process with all: losses, adapters, what each process holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch: Any = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
safetensors: Any = pytest.importorskip("safetensors.torch")

from gloo import in_processes  # noqa: E402

from train.checkpoints import RunProgress, read_metrics  # noqa: E402
from train.config import (  # noqa: E402
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    SourceConfig,
    TrainConfig,
    load_config,
)
from train.loop import Run  # noqa: E402
from train.unite.trainee import UniteTrainee  # noqa: E402

# PEFT asks a model for an attribute whose name transformers has just changed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

STEPS, BATCH, ROWS = 3, 4, 6
WAYS: dict[str, dict[str, Any]] = {
    "at once": {"chunk": BATCH},
    "in chunks": {"chunk": 1},
    "recomputed": {"chunk": 1, "gradient_checkpointing": True},
    "resumed": {"chunk": 1},
}


def config(folder: Path, name: str, *, chunk: int = 1, batch: int = BATCH, **model: Any) -> TrainConfig:
    source = SourceConfig(kind="unite", path=str(folder / "pairs.json"))
    return TrainConfig(
        run=RunConfig(out=str(folder / name), steps=STEPS, save_every=100, evaluate_every=100),
        data=DataConfig(sources=(source,), batch=batch, chunk=min(chunk, batch)),
        model=ModelConfig(kind="unite", checkpoint=str(folder / "model"), dropout=0.0, **model),
        loss=LossConfig(stage=2),
        optimiser=OptimiserConfig(learning_rate=1e-3, averaging=0.5),
    )


def two_processes(folder: Path, way: str) -> TrainConfig:
    return config(folder, way, batch=BATCH // 2, sharded=True, **WAYS[way])


def sharded_runs(folder: Path) -> tuple[int, int]:
    """Train in every way; how many numbers of the language model this process holds, and how many there are."""
    for way in WAYS:
        if way == "resumed":
            _stop_after_two_steps(Run(two_processes(folder, way)))
        run = Run(two_processes(folder, way))
        run.train()
    weights = [value for name, value in run.trainee.module.named_parameters() if "language_model" in name]
    return sum(value.to_local().numel() for value in weights), sum(value.numel() for value in weights)


def _stop_after_two_steps(run: Run) -> None:
    progress = RunProgress()
    for _ in range(2):
        run.step(progress)
    run.folder.mkdir(exist_ok=True)
    run.checkpointer.save(progress)


@pytest.fixture(scope="module")
def folder(unite_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs, two of them with a photo and one with a hard negative, and a tiny model."""
    folder = tmp_path_factory.mktemp("sharded")
    (folder / "model").symlink_to(unite_checkpoint)
    rng = np.random.default_rng(0)
    pairs: list[dict[str, Any]] = [
        {"query": {"text": f"question {row}"}, "candidate": {"text": f"answer {row} " + "word " * row}}
        for row in range(ROWS)
    ]
    for row in (0, 1):
        Image.fromarray(rng.integers(0, 255, (56, 56, 3), np.uint8)).save(folder / f"{row}.png")
        pairs[row]["candidate"] = {"image": f"{row}.png"}
    pairs[2]["negative"] = {"text": "wrong"}
    (folder / "pairs.json").write_text(json.dumps(pairs))
    return folder


@pytest.fixture(scope="module")
def held(folder: Path) -> list[tuple[int, int]]:
    """What each of two processes held, after all runs of both."""
    Run(config(folder, "alone")).train()
    return in_processes(2, folder, sharded_runs, folder)


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder)]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_sharded_processes_train_as_one_with_all_weights(held: Any, folder: Path, way: str) -> None:
    expected, found = losses(folder / "alone"), losses(folder / way)
    assert len(expected) == STEPS
    assert expected[0] != pytest.approx(expected[-1], rel=1e-3), "nothing was learnt"
    assert found == pytest.approx(expected[-len(found) :], rel=1e-5)
    adapters = [
        safetensors.load_file(folder / name / "encoder" / "adapter_model.safetensors") for name in ("alone", way)
    ]
    assert adapters[0].keys() == adapters[1].keys()
    for name, weight in adapters[0].items():
        torch.testing.assert_close(adapters[1][name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_each_process_holds_half(held: list[tuple[int, int]]) -> None:
    (one, total), (other, _) = held
    assert one + other == total
    assert 0.45 < one / total < 0.55


def test_one_process_is_refused(unite_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="start several: torchrun"):
        UniteTrainee(ModelConfig(kind="unite", checkpoint=str(unite_checkpoint), sharded=True))


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[run]\nout = "x"\n[data]\n[model]\nsharded = true\n')
    with pytest.raises(ValueError, match="sharded is for kind unite; kind is 'starter-head'"):
        load_config(tmp_path / "run.toml")
