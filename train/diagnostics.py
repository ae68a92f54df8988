"""What a run's batches and embeddings look like: how much the mask hides, how far modalities stand apart.

These are the first questions to ask of a run with MAMCL. Where the mask hides more than four fifths of the candidates
of a kind of query, that kind trains on few negatives: give it a larger share or larger batches.

Source: arXiv 2505.19650, section 3.3, on the mask; Liang et al. 2022, "Mind the Gap", arXiv 2203.02053, on distances.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from train.data import Pair, Side
from train.loop import Run
from unite_search.modality import Modality

BATCHES = 10
SIDES_EACH = 200
MOST_MASKED = 80
PICTURE_SIDE, DOT = 480, 2
COLOURS = {Modality.TEXT: "#c0392b", Modality.IMAGE: "#2471a3", Modality.VIDEO: "#1e8449"}
MIXED_COLOUR = "#7d3c98"

log = logging.getLogger(__name__)


def diagnose(run: Run, picture: Path) -> dict[str, Any]:
    """Masked candidates by kind of query, and similarities by modality before training; draws `picture`."""
    batches = [run.sampler.batch(step) for step in range(BATCHES)]
    masked = masked_percent(batches)
    for kind, percent in masked.items():
        if percent > MOST_MASKED:
            log.warning("%s: the mask hides %.0f %% of the candidates", kind, percent)
    sides = _some_sides([pair for pairs in batches for pair in pairs])
    run.trainee.module.eval()
    with torch.no_grad():
        embeddings = run.trainee.embed(sides, "candidate").float().cpu().numpy()
    modalities = [side.modality for side in sides]
    draw(embeddings, modalities, picture)
    return {"masked_percent": masked, "mean_cosine": mean_cosines(embeddings, modalities), "picture": str(picture)}


def masked_percent(batches: Sequence[Sequence[Pair]]) -> dict[str, float]:
    """Percent of the other candidates of a batch that MAMCL hides from each kind of query, such as `text -> image`."""
    hidden: Counter[str] = Counter()
    all_others: Counter[str] = Counter()
    for pairs in batches:
        rows = Counter(pair.wanted for pair in pairs)
        for pair in pairs:
            kind = f"{pair.query.modality.partition} -> {pair.wanted.partition}"
            hidden[kind] += len(pairs) - rows[pair.wanted]
            all_others[kind] += len(pairs) - 1
    return {kind: round(100 * hidden[kind] / max(1, count), 1) for kind, count in all_others.items()}


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


def draw(embeddings: NDArray[np.float32], modalities: Sequence[Modality], path: Path) -> None:
    """Draw the two main directions of the embeddings, a colour a modality: text red, image blue, video green."""
    centred = embeddings - embeddings.mean(axis=0)
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T  # (N, 2)
    low, spread = plane.min(axis=0), np.maximum(np.ptp(plane, axis=0), np.finfo(np.float32).tiny)
    canvas = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE), "white")
    pen = ImageDraw.Draw(canvas)
    for (x, y), modality in zip((plane - low) / spread * (PICTURE_SIDE - 1), modalities, strict=True):
        pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=COLOURS.get(modality, MIXED_COLOUR))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)


def _some_sides(pairs: Sequence[Pair]) -> list[Side]:
    """The first few sides of each modality, each once."""
    sides = dict.fromkeys(side for pair in pairs for side in (pair.query, pair.candidate))
    kinds = sorted({side.modality for side in sides})
    return [side for kind in kinds for side in [side for side in sides if side.modality == kind][:SIDES_EACH]]
