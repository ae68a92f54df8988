"""Measure memory and time of GradCache, with batches of 4096 in chunks of 16, on the tiny Qwen2-VL.

Runs `python -m train` in a process of its own for texts, and for captions with photos: a large batch in small chunks, a
small batch in the same chunks, and plain training with one chunk per batch. The chunk of plain training has the size of
the small batch or of one of its chunks, whichever is faster. Time is that of the steps, as the runs log it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LARGE = {"paraphrases": 4096, "captions": 256}
"""Rows of the large batch by kind of source; photos take longer, so there are fewer of them."""
SMALL, CHUNK = 64, 16
CONFIG = """
[run]
out = "{out}"
steps = {steps}
save_every = 1000000
evaluate_every = 1000000

[data]
batch = {batch}
chunk = {chunk}

[[data.sources]]
kind = "{kind}"
path = "{manifest}"

[model]
kind = "unite"
checkpoint = "{checkpoint}"

[loss]
stage = 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRun:
    """The settings of one run: kind of source, rows per batch, rows in memory at one time, steps."""

    kind: str
    batch: int
    chunk: int
    steps: int


def run(data: Path, checkpoint: Path) -> dict[str, Any]:
    """Measure memory and time, and the ratios of the large batch to small and plain training.

    Args:
        data: the folder that holds `captioned/`.
        checkpoint: folder of the model.
    """
    return {kind: _compared(kind, data / "captioned" / "manifest.jsonl", checkpoint) for kind in LARGE}


def _compared(kind: str, manifest: Path, checkpoint: Path) -> dict[str, Any]:
    rows = min(LARGE[kind], 16 * SMALL)
    runs = {
        "start": TrainingRun(kind=kind, batch=SMALL, chunk=CHUNK, steps=0),
        "large": TrainingRun(kind=kind, batch=LARGE[kind], chunk=CHUNK, steps=1),
        "small": TrainingRun(kind=kind, batch=SMALL, chunk=CHUNK, steps=rows // SMALL),
        "plain": TrainingRun(kind=kind, batch=SMALL, chunk=SMALL, steps=rows // SMALL),
        "plain, one chunk": TrainingRun(kind=kind, batch=CHUNK, chunk=CHUNK, steps=rows // CHUNK),
    }
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: _measured(settings, manifest, checkpoint, Path(folder) / name) for name, settings in runs.items()
        }
    above_start = {name: found[name]["peak_mb"] - found["start"]["peak_mb"] for name in ("large", "small")}
    plain = min(found["plain"]["ms_a_row"], found["plain, one chunk"]["ms_a_row"])
    return {
        "runs": found,
        "memory_ratio": round(found["large"]["peak_mb"] / found["small"]["peak_mb"], 3),
        "memory_ratio_above_start": round(above_start["large"] / above_start["small"], 3),
        "time_ratio": round(found["large"]["ms_a_row"] / plain, 3),
    }


def _measured(training: TrainingRun, manifest: Path, checkpoint: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    config, out = folder / "run.toml", folder / "out"
    settings = {"out": out, "manifest": manifest, "checkpoint": checkpoint, **asdict(training)}
    config.write_text(CONFIG.format(**settings), encoding="utf-8")
    peak_kb = _peak_kb([sys.executable, "-m", "train", str(config)])
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # The first of several steps is left out, because it includes warm-up.
    seconds = [step["seconds"] for step in (steps[1:] or steps)]
    return {
        "batch": training.batch,
        "chunk": training.chunk,
        "steps": training.steps,
        "peak_mb": round(peak_kb / 1024),
        "ms_a_row": round(1000 * sum(seconds) / len(seconds) / training.batch, 3) if seconds else None,
    }


def _peak_kb(command: list[str]) -> int:
    """Run a command and return its largest resident memory, in KiB.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss
