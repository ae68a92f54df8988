"""What a run would be: parameters, batches, memory and time, measured on one step that changes nothing on disk."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import torch

from train.checkpoints import Progress
from train.data.pairs import balance
from train.loop import Run

BATCHES_SHOWN = 3


def report(run: Run) -> dict[str, Any]:
    """Counts and estimates; runs one optimiser step in memory."""
    parameters = list(run.trainee.module.parameters())
    started = time.perf_counter()
    run.step(Progress())
    seconds = time.perf_counter() - started
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trained_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "pairs": balance(pair for pairs in run.sampler.sources for pair in pairs),
        "batches": [balance(run.sampler.batch(step)) for step in range(BATCHES_SHOWN)],
        "seconds_a_step": round(seconds, 3),
        "hours": round(seconds * run.config.run.steps / 3600, 2),
        "peak_gb": round(_peak_bytes() / 1e9, 2),
    }


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
