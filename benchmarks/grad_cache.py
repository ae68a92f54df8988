"""Memory and time of a batch of 4096 in chunks of 16, on the tiny Qwen2-VL: `python -m train` in processes of its own.

Three runs of the same model on the same mixture, captions and photos: a large batch in small chunks, a small batch in
the same chunks, and that small batch at once, which is plain training. Time is that of the steps, as the runs log it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH, CHUNK, PLAIN = 4096, 16, 64
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
kind = "paraphrases"
path = "{manifest}"
weight = 15

[[data.sources]]
kind = "captions"
path = "{manifest}"
weight = 1

[model]
kind = "unite"
checkpoint = "{checkpoint}"

[loss]
stage = 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one run is: rows of a batch, rows in memory at a time, steps."""

    batch: int
    chunk: int
    steps: int


RUNS = {
    "large": Run(batch=BATCH, chunk=CHUNK, steps=1),
    "small": Run(batch=PLAIN, chunk=CHUNK, steps=BATCH // PLAIN // 4),
    "plain": Run(batch=PLAIN, chunk=PLAIN, steps=BATCH // PLAIN // 4),
    "start": Run(batch=PLAIN, chunk=CHUNK, steps=0),
}


def run(data: Path, checkpoint: Path) -> dict[str, Any]:
    """Measure; the two ratios are those that GradCache promises to keep low.

    Args:
        data: the folder that holds `captioned/`.
        checkpoint: of the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: _measured(wanted, data / "captioned" / "manifest.jsonl", checkpoint, Path(folder) / name)
            for name, wanted in RUNS.items()
        }
    large, small, plain, start = (found[name] for name in RUNS)
    return {
        "runs": found,
        "memory_ratio": round(large["peak_mb"] / small["peak_mb"], 3),
        "memory_ratio_above_start": round(
            (large["peak_mb"] - start["peak_mb"]) / (small["peak_mb"] - start["peak_mb"]), 3
        ),
        "time_ratio": round(large["ms_a_row"] / plain["ms_a_row"], 3),
    }


def _measured(wanted: Run, manifest: Path, checkpoint: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    config, out = folder / "run.toml", folder / "out"
    config.write_text(
        CONFIG.format(
            out=out,
            steps=wanted.steps,
            batch=wanted.batch,
            chunk=wanted.chunk,
            manifest=manifest,
            checkpoint=checkpoint,
        ),
        encoding="utf-8",
    )
    peak_kb = _peak_kb([sys.executable, "-m", "train", str(config)])
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # Where there are several steps, the first also warms up.
    seconds = [step["seconds"] for step in (steps[1:] or steps)]
    return {
        "batch": wanted.batch,
        "chunk": wanted.chunk,
        "steps": wanted.steps,
        "peak_mb": round(peak_kb / 1024),
        "ms_a_row": round(1000 * sum(seconds) / len(seconds) / wanted.batch, 3) if seconds else None,
    }


def _peak_kb(command: list[str]) -> int:
    """Largest resident memory of a command.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss
