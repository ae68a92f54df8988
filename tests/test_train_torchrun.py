"""An evaluation by two processes of torchrun, with a tiny UNITE model on CPUs, against one by a single process."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tiny_unite import write_checkpoint

pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[1]
PICTURES = 10


def evaluate(
    launcher: list[str], folder: Path, out: Path
) -> tuple[str, dict[str, Any], dict[str, NDArray[np.float32]]]:
    """What the program said, its results, and the embeddings that it made."""
    command = [*launcher, "-m", "benchmarks", "manifest", "--data", str(folder), "--max-pixels", "3136"]
    command += ["--encoder", str(folder / "model"), "--out", str(out), "--cache", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(out / "embeddings.sqlite") as database:
        rows = database.execute("SELECT key, vector FROM embeddings").fetchall()
    database.close()
    results = json.loads((out / "result.json").read_text())["results"]
    return done.stdout, results, {key: np.frombuffer(vector, "<f4") for key, vector in rows}


def test_two_processes_of_torchrun_make_what_one_makes(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(PICTURES):
        Image.fromarray(rng.integers(0, 255, (56, 56, 3), np.uint8)).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "modality": "image", "text": f"picture {number}"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, alone, expected = evaluate([sys.executable], tmp_path, tmp_path / "alone")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said, shared, made = evaluate(torchrun, tmp_path, tmp_path / "shared")
    assert said.count("candidates 10 of 10") == 1, "only the first process reports"
    assert len(made) == 2 * PICTURES
    assert made.keys() == expected.keys()
    for key, vector in made.items():
        np.testing.assert_allclose(vector, expected[key], atol=1e-5)
    assert shared["coverage"] == alone["coverage"]
    assert shared["metrics"] == alone["metrics"]
    assert shared["encoder"] == alone["encoder"]
