"""What a run's batches and embeddings look like: how much the mask hides, how far modalities stand apart.

These are the first questions to ask of a run with MAMCL. Where the mask hides more than four fifths of the candidates
of a kind of query, that kind trains on few negatives: give it a larger share or larger batches.

Source: arXiv 2505.19650, section 3.3, on the mask; Liang et al. 2022, "Mind the Gap", arXiv 2203.02053, on distances.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from train.data.pairs import Pair, Side
from train.distributed import process_count, process_rank
from train.loop import Run
from train.plane import draw_plane
from unite_search.modality import Modality

BATCHES = 10
SIDES_EACH = 200
MOST_MASKED = 80

log = logging.getLogger(__name__)


def diagnose(run: Run, picture: Path) -> dict[str, Any]:
    """Masked candidates by kind of query, and cosines by modality before training and, where it is saved, after.

    Args:
        run: as its config starts it; afterwards it stands where its folder's checkpoint does.
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
    """Percent of the other candidates that MAMCL hides from each kind of query, such as `text -> image`.

    Returns:
        One number for each batch that holds the kind.
    """
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for pairs in batches:
        rows = Counter(pair.wanted for pair in pairs)
        kinds = {(pair.query.modalities, pair.wanted) for pair in pairs}
        for given, wanted in sorted(kinds):
            hidden = (len(pairs) - rows[wanted]) / max(1, len(pairs) - 1)
            shares[f"{given.partition} -> {wanted.partition}"].append(round(100 * hidden, 1))
    return dict(shares)


def mean_cosines(embeddings: NDArray[np.float32], modalities: Sequence[Modality]) -> dict[str, float]:
    """Mean cosine of two different items, for each pair of modalities, such as `image, text`."""
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


def _warn(masked: dict[str, list[float]]) -> None:
    for kind, percents in masked.items():
        if max(percents) > MOST_MASKED:
            many = sum(percent > MOST_MASKED for percent in percents)
            message = "%s: the mask hides up to %.1f %% of the candidates, more than %d %% in %d of %d batches"
            log.warning(message, kind, max(percents), MOST_MASKED, many, len(percents))


def _embedded_states(run: Run, sides: Sequence[Side]) -> dict[str, NDArray[np.float32]]:
    """Embeddings by weights that begin the run, and by averaged ones of its checkpoint if there is one."""
    states = {"before training": _embedded(run, sides)}
    progress = run.checkpointer.restore()
    if progress.step:
        with run.average.in_place():
            states[f"after {progress.step} steps"] = _embedded(run, sides)
    return states


def _embedded(run: Run, sides: Sequence[Side]) -> NDArray[np.float32]:
    run.trainee.module.eval()
    size = run.config.data.chunk
    with torch.no_grad():
        rows = [run.trainee.embed(sides[start : start + size], "candidate") for start in range(0, len(sides), size)]
    return np.asarray(torch.cat(rows).float().cpu())


def _some_sides(pairs: Sequence[Pair]) -> list[Side]:
    """The first few sides of each modality, each once."""
    sides = dict.fromkeys(side for pair in pairs for side in (pair.query, pair.candidate))
    kinds = sorted({side.modalities for side in sides})
    return [side for kind in kinds for side in [side for side in sides if side.modalities == kind][:SIDES_EACH]]
