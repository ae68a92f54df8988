"""The state of a run on disk, from which a killed run goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.distributed import process_rank
from train.sharding import whole

CHECKPOINT, METRICS = "checkpoint.pt", "metrics.jsonl"


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        step: optimiser steps done.
        best: the best value of the evaluation so far; -1 before the first.
        stale: evaluations since then.
    """

    step: int = 0
    best: float = -1.0
    stale: int = 0


class Checkpointer:
    """Saves and restores weights, optimiser, schedule and averages; randomness follows from seed and step.

    Args:
        folder: of the run.
        parts: what has `state_dict` and `load_state_dict`, by name.
    """

    def __init__(self, folder: Path, parts: dict[str, Any]) -> None:
        self._path = folder / CHECKPOINT
        self._parts = parts

    def save(self, progress: Progress) -> None:
        """Write the state to a temporary name, sync, rename; the first process does, all call it."""
        state = whole({name: part.state_dict() for name, part in self._parts.items()})
        if process_rank() > 0:
            return
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            torch.save({"parts": state, "progress": _values(progress)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._path)

    def restore(self) -> Progress:
        """Go back to what was saved last; a fresh `Progress` where nothing was."""
        if not self._path.exists():
            return Progress()
        saved = torch.load(self._path, weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(saved["parts"][name])
        return Progress(**saved["progress"])


class MetricsLog:
    """`metrics.jsonl`: one line a step, and one an evaluation.

    Args:
        folder: of the run.
        step: lines of later steps are dropped: the run that wrote them died before it saved its state.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / METRICS
        kept = [line for line in read_metrics(folder) if line["step"] <= step]
        self._path.write_text("".join(map(_line, kept)), encoding="utf-8")

    def append(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write lines at once."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write("".join(map(_line, lines)))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of a run's log; a line that a killed run left unfinished is dropped."""
    path = folder / METRICS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def seed_everything(*numbers: int) -> None:
    """Seed torch, numpy and Python with a hash of some numbers, such as seed, step and process."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def _values(progress: Progress) -> dict[str, Any]:
    return {"step": progress.step, "best": progress.best, "stale": progress.stale}


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"
