"""Reports on a run without training it: its batches, its embeddings, and in a dry run its size and time.

How much the mask hides and how far apart modalities lie are the first questions to ask of a run with MAMCL. Where the
mask hides more than four fifths of the candidates from a kind of query, that kind trains on few negatives: give it a
larger share or larger batches.

Source: arXiv 2505.19650, section 3.3, on the mask; Liang et al. 2022, "Mind the Gap", arXiv 2203.02053, on distances.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from train.checkpoints import RunProgress
from train.data.pairs import Pair, Side, balance
from train.distributed import process_count, process_rank
from train.loop import Run
from train.plane import draw_plane
from train.trainee import embed_in_chunks
from unite_search.modality import Modality

BATCHES_SHOWN = 3
"""Number of batches that a dry run lists."""
BATCHES = 10
"""Number of batches that the diagnosis is based on."""
SIDES_EACH = 200
MOST_MASKED = 80

log = logging.getLogger(__name__)


def dry_run(run: Run) -> dict[str, Any]:
    """Report parameters, pairs, the first batches, time and peak memory.

    Runs one optimiser step to measure time and memory; nothing is written to disk.
    """
    parameters = list(run.trainee.module.parameters())
    started = time.perf_counter()
    run.step(RunProgress())
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


def diagnose(run: Run, picture: Path) -> dict[str, Any]:
    """Report masked candidates by kind of query, and mean cosines by modality before and after training.

    The numbers after training are left out if the run's folder holds no checkpoint.

    Args:
        run: the run as its config starts it; this call loads the checkpoint of its folder into it.
        picture: PNG to draw, see `train.plane`.
    """
    processes = process_count()
    batches = [
        [pair for rank in range(processes) for pair in run.sampler.batch(step, rank, processes)]
        for step in range(BATCHES)
    ]
    masked = masked_percent(batches)
    if run.config.loss.stage == 2:
        _warn(masked)
    sides = _some_sides([pair for pairs in batches for pair in pairs])
    modalities = [side.modalities for side in sides]
    states = _embedded_states(run, sides)
    if process_rank() == 0:
        draw_plane(states, modalities, picture)
    return {
        "masked_percent": masked,
        "mean_cosine": {state: mean_cosines(embeddings, modalities) for state, embeddings in states.items()},
        "picture": str(picture),
    }


def masked_percent(batches: Sequence[Sequence[Pair]]) -> dict[str, list[float]]:
    """Compute the percentage of the other candidates that MAMCL hides from each kind of query, such as `text -> image`.

    Returns:
        For each kind, one number for every batch that contains it.
    """
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for pairs in batches:
        rows = Counter(pair.target_modality for pair in pairs)
        kinds = {(pair.query.modalities, pair.target_modality) for pair in pairs}
        for given, target in sorted(kinds):
            hidden = (len(pairs) - rows[target]) / max(1, len(pairs) - 1)
            shares[f"{given.partition} -> {target.partition}"].append(round(100 * hidden, 1))
    return dict(shares)


def mean_cosines(embeddings: NDArray[np.float32], modalities: Sequence[Modality]) -> dict[str, float]:
    """Compute the mean cosine of two different items, for each pair of modalities, such as `image, text`."""
    kinds = np.array([modality.partition for modality in modalities])
    scores = embeddings @ embeddings.T
    np.fill_diagonal(scores, np.nan)
    names = sorted(set(kinds))
    return {
        f"{one}, {other}": round(float(np.nanmean(scores[np.ix_(kinds == one, kinds == other)])), 3)
        for position, one in enumerate(names)
        for other in names[position:]
        if np.isfinite(scores[np.ix_(kinds == one, kinds == other)]).any()
    }


def _peak_bytes() -> int:
    """Return the peak memory of the GPU, or of the process on a machine without one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _warn(masked: dict[str, list[float]]) -> None:
    for kind, percents in masked.items():
        if max(percents) > MOST_MASKED:
            count = sum(percent > MOST_MASKED for percent in percents)
            message = "%s: the mask hides up to %.1f %% of the candidates, more than %d %% in %d of %d batches"
            log.warning(message, kind, max(percents), MOST_MASKED, count, len(percents))


def _embedded_states(run: Run, sides: Sequence[Side]) -> dict[str, NDArray[np.float32]]:
    """Embed with the initial weights and, if the run has a checkpoint, with the averaged weights of that."""
    states = {"before training": _embedded(run, sides)}
    progress = run.checkpointer.restore()
    if progress.step:
        with run.average.in_place():
            states[f"after {progress.step} steps"] = _embedded(run, sides)
    return states


def _embedded(run: Run, sides: Sequence[Side]) -> NDArray[np.float32]:
    run.trainee.module.eval()
    rows = embed_in_chunks(run.trainee, sides, "candidate", size=run.config.data.chunk)
    return np.asarray(rows.float().cpu())


def _some_sides(pairs: Sequence[Pair]) -> list[Side]:
    """Return the first `SIDES_EACH` different sides of each modality."""
    sides = dict.fromkeys(side for pair in pairs for side in (pair.query, pair.candidate))
    kinds = sorted({side.modalities for side in sides})
    return [side for kind in kinds for side in [side for side in sides if side.modalities == kind][:SIDES_EACH]]
