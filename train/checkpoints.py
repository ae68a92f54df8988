"""The saved state of a run, from which a killed run resumes with the same results as an uninterrupted one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from indexers.atomic import atomic_write
from train.distributed import process_rank
from train.sharding import full_tensors

CHECKPOINT, METRICS = "checkpoint.pt", "metrics.jsonl"


@dataclass(slots=True, kw_only=True)
class RunProgress:
    """How far a run has come.

    Attributes:
        step: number of optimiser steps done.
        best: best evaluation so far; -1 before the first.
        stale: number of evaluations since the best one.
    """

    step: int = 0
    best: float = -1.0
    stale: int = 0


class Checkpointer:
    """Saves and restores weights, optimiser, schedule and averages.

    The state of the random generators is not saved: every step is seeded from the run's seed and its own number.

    Args:
        folder: folder of the run.
        parts: objects with `state_dict` and `load_state_dict`, by name.
    """

    def __init__(self, folder: Path, parts: dict[str, Any]) -> None:
        self._path = folder / CHECKPOINT
        self._parts = parts

    def save(self, progress: RunProgress) -> None:
        """Write the state atomically. All processes must call this; the first one writes."""
        state = full_tensors({name: part.state_dict() for name, part in self._parts.items()})
        if process_rank() > 0:
            return
        with atomic_write(self._path) as stream:
            torch.save({"parts": state, "progress": _values(progress)}, stream)

    def restore(self) -> RunProgress:
        """Load the last saved state; returns a new `RunProgress` if nothing was saved."""
        if not self._path.exists():
            return RunProgress()
        saved = torch.load(self._path, weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(saved["parts"][name])
        return RunProgress(**saved["progress"])


class MetricsLog:
    """Writes `metrics.jsonl`, which has one line per step and one per evaluation.

    Args:
        folder: folder of the run.
        step: last step of the restored state; lines of later steps are dropped, because they will be run again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / METRICS
        kept = [line for line in read_metrics(folder) if line["step"] <= step]
        self._path.write_text("".join(map(_line, kept)), encoding="utf-8")

    def append(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append lines and close the file, so that they survive the end of the process."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write("".join(map(_line, lines)))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read all complete lines of a run's log; a last line that a killed run left unfinished is dropped."""
    path = folder / METRICS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def seed_everything(*numbers: int) -> None:
    """Seed torch, numpy and Python with a hash of several numbers, such as seed, step and process rank."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def _values(progress: RunProgress) -> dict[str, Any]:
    return {"step": progress.step, "best": progress.best, "stale": progress.stale}


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"
