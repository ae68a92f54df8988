"""Whole runs of the starter's head on drawn pictures: a killed run, goes on to the same losses as one left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

from train.checkpoints import CHECKPOINT, METRICS, read_metrics
from train.curves import HEIGHT
from unite_search.encoders.starter.head import DIM, FEATURE_DIM, TEXT_DIM, Head, read_arrays

ROOT = Path(__file__).resolve().parents[1]
STEPS = 30
CONFIG = """
[run]
out = "run"
steps = {steps}
save_every = 3
evaluate_every = 10
evaluation = "manifest.jsonl"
evaluation_split = "dev"

[data]
batch = {batch}
chunk = {chunk}

[[data.sources]]
kind = "captions"
path = "manifest.jsonl"

[[data.sources]]
kind = "photos"
path = "manifest.jsonl"

[model]
{model}

[loss]
stage = {stage}

[optimiser]
averaging = 0.9
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawn photos, one of them damaged, in the layout of `../shared/data/captioned`."""
    folder = tmp_path_factory.mktemp("captioned")
    rng = np.random.default_rng(0)
    with (folder / "manifest.jsonl").open("w") as manifest:
        for number in range(8):
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            Image.new("RGB", (60, 60), colour).save(folder / f"{number}.png")
            captions = [f"a plain picture in colour {number}", f"nothing but colour number {number}"]
            split = "dev" if number > 5 else "train"
            manifest.write(json.dumps({"path": f"{number}.png", "text": captions, "split": split}) + "\n")
    (folder / "0.png").write_bytes(b"no picture")
    return folder


def command(folder: Path, out: str, **settings: Any) -> subprocess.Popen[bytes]:
    processes = settings.pop("processes", 1)
    text = CONFIG.format(
        **{"steps": STEPS, "batch": 6, "chunk": 4, "stage": 2, "model": 'views = ["flip"]', **settings}
    )
    (folder / f"{out}.toml").write_text(text.replace('"run"', f'"{out}"'))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    arguments = [sys.executable, *torchrun, "-m", "train", f"{out}.toml"]
    return subprocess.Popen(arguments, cwd=folder, env=environment, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> bytes:
    """Wait for its good end; what it said."""
    _, messages = process.communicate()
    assert process.returncode == 0, messages.decode()
    return messages


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder) if "loss" in line]


def test_a_killed_run_goes_on_to_the_same_losses(folder: Path) -> None:
    messages = finish(command(folder, "alone"))
    assert b"skipped: cannot read" in messages
    for steps in (4, 14):
        killed = command(folder, "killed")
        deadline = time.monotonic() + 300
        while len(losses(folder / "killed")) < steps and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert len(losses(folder / "killed")) < STEPS, "the run was over before it could be killed"
    finish(command(folder, "killed"))
    assert losses(folder / "killed") == losses(folder / "alone")
    assert len(losses(folder / "alone")) == STEPS
    assert losses(folder / "alone")[-1] < losses(folder / "alone")[0]
    for name in ("alone", "killed"):
        assert (folder / name / CHECKPOINT).exists()
        assert {"text_to_image_10", "image_to_text_1"} <= read_metrics(folder / name)[10].keys()
    heads = [Head(read_arrays(folder / name / "encoder" / "head.npz")) for name in ("alone", "killed")]
    pictures = np.random.default_rng(1).random((3, FEATURE_DIM + TEXT_DIM), np.float32)
    rows = [head(pictures, np.zeros((3, TEXT_DIM), np.float32)) for head in heads]
    assert rows[0].shape == (3, DIM)
    np.testing.assert_array_equal(rows[0], rows[1])


def test_a_run_says_what_it_was_and_refuses_another_config(folder: Path) -> None:
    finish(command(folder, "record", steps=2))
    record = json.loads((folder / "record" / "run.json").read_text())
    assert record["config"]["run"]["steps"] == 2
    assert record["balance"] == {"text -> image": 10, "image -> text": 10}
    assert record["data"]["fingerprint"] and record["commit"]
    second = command(folder, "record", steps=3)
    _, messages = second.communicate()
    assert second.returncode != 0
    assert b"holds a run with another config" in messages


def test_processes_train_as_one_with_the_whole_batch(folder: Path) -> None:
    """Two processes with 3 rows each against one with 6, no dropout: the same losses, one record, one export."""
    finish(command(folder, "one", steps=8, model="dropout = 0.0"))
    finish(command(folder, "two", steps=8, batch=3, chunk=3, model="dropout = 0.0", processes=2))
    assert losses(folder / "two") == pytest.approx(losses(folder / "one"), rel=1e-4)
    heads = [read_arrays(folder / name / "encoder" / "head.npz") for name in ("one", "two")]
    np.testing.assert_allclose(heads[0]["out.weight"], heads[1]["out.weight"], atol=1e-3)


def test_a_run_draws_its_curves(folder: Path) -> None:
    finish(command(folder, "drawn", steps=10))
    with Image.open(folder / "drawn" / "curves.png") as picture:
        plots, colours = (
            picture.height // HEIGHT,
            {colour for _, colour in picture.getcolors(picture.width * picture.height) or []},
        )
    assert plots == 2
    assert (0xC0, 0x39, 0x2B) in colours


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 2}]
