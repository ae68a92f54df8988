"""Draw fruit, and the leaf that fruit and flowers share.

Each function draws one thing with its middle at (x, y); size 1 is about half the height of the picture.
"""

from __future__ import annotations

import numpy as np

from unite_search.demo.canvas import BLACK, WHITE, Canvas, Colour, ellipse, flat, gradient, lit, mixed, smooth, turned
from unite_search.demo.things import placed

LEAF: Colour = (74, 142, 58)
STEM: Colour = (104, 76, 44)


def orange(canvas: Canvas, x: float, y: float, size: float, colour: Colour = (246, 146, 30)) -> None:
    """Draw an orange, or another citrus fruit by its colour; (x, y) is its middle."""
    canvas.shadow(x + 0.12 * size, y + 0.95 * size, 0.9 * size, 0.13 * size)
    canvas.fill(ellipse(x, y, size, 0.97 * size), lit(colour, gloss=0.5, shade=0.5))
    rng = np.random.default_rng(9)
    for turn, away in zip(rng.uniform(0, 2 * np.pi, 80), np.sqrt(rng.uniform(0, 0.86, 80)), strict=True):
        pore = (x + away * np.cos(turn) * size, y + away * np.sin(turn) * size)
        canvas.fill(ellipse(pore[0], pore[1], 0.018 * size), flat(mixed(colour, BLACK, 0.35)), opacity=0.28)
    canvas.fill(ellipse(x + 0.05 * size, y - 0.8 * size, 0.11 * size, 0.06 * size), flat((98, 120, 48)))
    leaf(canvas, x + 0.08 * size, y - 0.82 * size, 0.62 * size, -24)


def lemon(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a lemon or a lime; (x, y) is its middle."""
    canvas.shadow(x + 0.1 * size, y + 0.72 * size, 1.05 * size, 0.12 * size)
    outline = smooth(
        [
            (-1.18, 0.02),
            (-0.95, -0.28),
            (-0.4, -0.68),
            (0.4, -0.68),
            (0.95, -0.3),
            (1.22, 0.0),
            (0.95, 0.32),
            (0.4, 0.68),
            (-0.4, 0.68),
            (-0.95, 0.3),
        ]
    )
    canvas.fill(placed(turned(outline, 12), x, y, size), lit(colour, gloss=0.5, shade=0.45))


def apple(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw an apple with a leaf; (x, y) is its middle."""
    canvas.shadow(x + 0.1 * size, y + 0.92 * size, 0.8 * size, 0.12 * size)
    half = [(0.14, -0.68), (0.52, -0.84), (0.92, -0.5), (0.9, 0.1), (0.56, 0.76), (0.22, 0.92)]
    outline = smooth([(0, -0.6), *half, (0, 0.84), *((-across, down) for across, down in reversed(half))])
    canvas.fill(placed(outline, x, y, size), lit(colour, gloss=0.6, shade=0.5))
    canvas.fill(
        placed(ellipse(0, -0.62, 0.2, 0.08), x, y, size), flat(mixed(colour, BLACK, 0.5)), opacity=0.6, blur=0.02
    )
    canvas.stroke(placed([(0, -0.6), (0.03, -0.85), (0.1, -1.02)], x, y, size), 0.06 * size, flat(STEM))
    leaf(canvas, x + 0.06 * size, y - 0.86 * size, 0.6 * size, -18)


def banana(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a bunch of bananas; (x, y) is its middle."""
    canvas.shadow(x, y + 0.66 * size, 1.1 * size, 0.12 * size)
    for turn, lift in ((-20, -0.2), (-8, -0.06), (6, 0.12)):
        spine = np.linspace(-1.1, 1.1, 40)
        outer = np.stack([spine * 1.0, 0.62 - 0.62 * spine**2], axis=1)
        inner = np.stack([spine[::-1] * 0.92, 0.2 - 0.32 * spine[::-1] ** 2], axis=1)
        fruit = turned(np.concatenate([outer, inner]), turn) + np.array([0, lift])
        canvas.fill(placed(fruit, x, y, size), gradient((255, 232, 104), (222, 166, 30)))
        ridge = turned(np.stack([spine * 0.96, 0.42 - 0.48 * spine**2], axis=1), turn) + np.array([0, lift])
        canvas.stroke(placed(ridge, x, y, size), 0.03 * size, flat((206, 156, 34)), opacity=0.6)
        for end in (outer[0], outer[-1]):
            tip = turned(end[None] * 0.99, turn)[0] + np.array([0, lift])
            canvas.fill(placed(ellipse(tip[0], tip[1], 0.06), x, y, size), flat((92, 74, 36)))


def strawberry(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a strawberry; (x, y) is its middle."""
    canvas.shadow(x + 0.08 * size, y + 0.98 * size, 0.6 * size, 0.1 * size)
    half = [(0.4, -0.66), (0.84, -0.42), (0.76, 0.14), (0.4, 0.72)]
    outline = smooth([(0, -0.62), *half, (0, 1.0), *((-across, down) for across, down in reversed(half))])
    canvas.fill(placed(outline, x, y, size), lit((222, 38, 46), gloss=0.55, shade=0.5))
    for row in range(7):
        level = -0.42 + row * 0.19
        reach = 0.66 * np.cos(max(level, 0) * 1.25)
        for across in np.linspace(-reach, reach, max(2, round(reach * 8)) + row % 2):
            canvas.fill(placed(ellipse(across, level, 0.028, 0.045), x, y, size), flat((250, 214, 110)))
    for turn in (-68, -34, 0, 34, 68):
        leaf = turned(smooth([(0, 0), (0.13, -0.26), (0, -0.6), (-0.13, -0.26)]), turn + 180) * np.array([1, 0.55])
        canvas.fill(placed(leaf + np.array([0, -0.7]), x, y, size), gradient((120, 182, 74), (58, 120, 48)))
    canvas.stroke(placed([(0, -0.7), (0.05, -1.0)], x, y, size), 0.06 * size, flat(LEAF))


def leaf(canvas: Canvas, x: float, y: float, size: float, turn: float) -> None:
    """Draw a leaf that starts at (x, y) and points to the right, turned clockwise by `turn` degrees."""
    outline = turned(smooth([(0, 0), (0.3, -0.22), (0.7, -0.2), (1, 0), (0.7, 0.16), (0.3, 0.16)]), turn)
    canvas.fill(placed(outline, x, y, size), gradient(mixed(LEAF, WHITE, 0.2), mixed(LEAF, BLACK, 0.25)))
    vein = turned(np.array([(0.05, 0.0), (0.9, 0.0)]), turn)
    canvas.stroke(placed(vein, x, y, size), 0.02 * size, flat(mixed(LEAF, WHITE, 0.45)), opacity=0.7)
