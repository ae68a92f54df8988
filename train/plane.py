"""Draw embeddings in a plane: their first two principal components, one panel for each state of the model.

All panels show the same plane at the same scale, and both axes have the same unit, so a difference between two panels
is a difference between the models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unite_search.modality import Modality

Embeddings = NDArray[np.float32]

SIDE, MARGIN, HEAD, LINE, DOT = 440, 20, 40, 24, 3
INK, PAPER, FRAME, OPACITY = "#1b2631", "white", "#cccccc", 150
TEXT_SIZE, LEGEND_STEP = 15, 150
COLOURS = {
    Modality.TEXT: (0xC0, 0x39, 0x2B),
    Modality.IMAGE: (0x24, 0x71, 0xA3),
    Modality.VIDEO: (0x1E, 0x84, 0x49),
    Modality.TEXT | Modality.IMAGE: (0x7D, 0x3C, 0x98),
    Modality.TEXT | Modality.VIDEO: (0xE6, 0x7E, 0x22),
    Modality.IMAGE | Modality.VIDEO: (0x17, 0xA5, 0x89),
    Modality.TEXT | Modality.IMAGE | Modality.VIDEO: (0x56, 0x65, 0x73),
}


def project(states: Sequence[Embeddings]) -> tuple[list[Embeddings], tuple[float, float]]:
    """Project embeddings on the first two principal components of all states together.

    Args:
        states: (N, D) embeddings of each state.

    Returns:
        (N, 2) coordinates of each state, and the share of the variance that each component explains.
    """
    everything = np.concatenate(states)
    middle = everything.mean(axis=0)
    _, lengths, directions = np.linalg.svd(everything - middle, full_matrices=False)
    spread = np.square(lengths) / max(float(np.square(lengths).sum()), np.finfo(np.float32).tiny)
    return [(state - middle) @ directions[:2].T for state in states], (float(spread[0]), float(spread[1]))


def draw_plane(states: Mapping[str, Embeddings], modalities: Sequence[Modality], path: Path) -> None:
    """Draw one panel for each state, side by side under its title, and a legend of the modalities' colours.

    Args:
        states: (N, D) embeddings of the same N items by title.
        modalities: modality set of each of the N items.
        path: PNG to write.
    """
    planes, shares = project(list(states.values()))
    width, kinds = MARGIN + len(planes) * (SIDE + MARGIN), sorted(set(modalities))
    columns = width // LEGEND_STEP
    height = HEAD + SIDE + MARGIN + (1 + math.ceil(len(kinds) / columns)) * LINE
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas, "RGBA")
    pen.font = ImageFont.load_default(TEXT_SIZE)
    for number, (title, places) in enumerate(zip(states, _fitted(planes), strict=True)):
        left = MARGIN + number * (SIDE + MARGIN)
        pen.text((left, MARGIN // 2), title, fill=INK)
        pen.rectangle((left, HEAD, left + SIDE, HEAD + SIDE), outline=FRAME)
        _dots(pen, places + np.array([left, HEAD]), modalities)
    across, up = (round(100 * share) for share in shares)
    axes = f"across: main direction, {across} % of the spread; up: second, {up} %"
    pen.text((MARGIN, HEAD + SIDE + MARGIN // 2), axes, fill=INK)
    _legend(pen, kinds, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)


def _fitted(planes: Sequence[Embeddings]) -> list[NDArray[np.float64]]:
    """Scale the points of all planes alike, to pixels from the upper left corner of a panel."""
    points = np.concatenate(planes)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    pixels = (SIDE - 4 * DOT) / (np.ptp(points, axis=0).max() or 1)
    return [(plane - middle) * [pixels, -pixels] + SIDE / 2 for plane in planes]


def _dots(pen: ImageDraw.ImageDraw, places: NDArray[np.float64], modalities: Sequence[Modality]) -> None:
    """Draw the points in random order, so that no modality covers another."""
    for row in np.random.default_rng(0).permutation(len(places)):
        x, y = places[row]
        pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=(*COLOURS[modalities[row]], OPACITY))


def _legend(pen: ImageDraw.ImageDraw, modalities: Sequence[Modality], columns: int) -> None:
    for number, modality in enumerate(modalities):
        line, column = divmod(number, columns)
        left, top = MARGIN + column * LEGEND_STEP, HEAD + SIDE + MARGIN // 2 + (1 + line) * LINE
        pen.ellipse((left, top + DOT, left + 4 * DOT, top + 5 * DOT), fill=COLOURS[modality])
        pen.text((left + 6 * DOT, top), modality.partition, fill=INK)
