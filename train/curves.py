"""Draw the curves of a run: its loss, and below it the evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 720, 240, 40
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#7d3c98", "#b9770e", "#566573")
NOT_MEASURED = frozenset({"step", "loss", "gradient_norm", "learning_rate", "alone", "seconds"})

Point = tuple[float, float]
Curve = Sequence[Point]
"""Points (step, value), in the order of steps."""


def draw_curves(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the lines of `metrics.jsonl`: one plot of the loss, and one of all evaluations if there are any."""
    measured = sorted({name for line in metrics for name in line} - NOT_MEASURED)
    plots = [names for names in (["loss"], measured) if any(_curve(metrics, name) for name in names)]
    canvas = Image.new("RGB", (WIDTH, HEIGHT * max(1, len(plots))), "white")
    for number, names in enumerate(plots):
        _plot(canvas, number * HEIGHT, {name: _curve(metrics, name) for name in names})
    canvas.save(path)


def _curve(metrics: Sequence[Mapping[str, Any]], name: str) -> Curve:
    return [(line["step"], line[name]) for line in metrics if name in line]


def _plot(canvas: Image.Image, top: int, curves: Mapping[str, Curve]) -> None:
    """Draw one plot with a common scale; its lowest and highest value and its last step are written beside it."""
    pen = ImageDraw.Draw(canvas)
    points = [point for curve in curves.values() for point in curve]
    low, high = min(value for _, value in points), max(value for _, value in points)
    last = max(step for step, _ in points)
    frame = (MARGIN, top + MARGIN // 2, WIDTH - MARGIN, top + HEIGHT - MARGIN // 2)
    pen.rectangle(frame, outline="#cccccc")
    pen.text((2, frame[1]), f"{high:.3g}", fill="black")
    pen.text((2, frame[3] - 10), f"{low:.3g}", fill="black")
    pen.text((frame[2] - 20, frame[3] + 2), str(last), fill="black")
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        pen.text((MARGIN + 130 * number, top + 4), name, fill=colour)
        placed = list(_placed(curve, frame, (last, low, high)))
        pen.line(placed, fill=colour, width=2)
        if len(placed) == 1:
            x, y = placed[0]
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)


def _placed(curve: Curve, frame: tuple[int, int, int, int], scale: tuple[float, float, float]) -> Iterator[Point]:
    left, upper, right, lower = frame
    last, low, high = scale
    for step, value in curve:
        share = (value - low) / (high - low) if high > low else 0.5
        yield left + step / max(last, 1) * (right - left), lower - share * (lower - upper)
