"""Draw things of nature: mushroom, fish, flowers, trees, stripes, a volcano, a rainbow.

Each function draws one thing at (x, y), its middle or its foot; size 1 is about half the height of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unite_search.demo.canvas import (
    BLACK,
    HEIGHT,
    WHITE,
    WIDTH,
    Canvas,
    Colour,
    Points,
    ellipse,
    flat,
    gradient,
    lit,
    mixed,
    smooth,
    tube,
    turned,
)
from unite_search.demo.fruit import leaf
from unite_search.demo.things import placed


def mushroom(canvas: Canvas, x: float, y: float, size: float, colour: Colour, *, is_spotted: bool) -> None:
    """Draw a mushroom; (x, y) is the middle of its foot."""
    canvas.shadow(x + 0.08 * size, y, 0.55 * size, 0.08 * size)
    stalk = smooth([(-0.2, -0.9), (0.2, -0.9), (0.2, -0.4), (0.3, -0.02), (0, 0.04), (-0.3, -0.02), (-0.2, -0.4)])
    canvas.fill(placed(stalk, x, y, size), tube((244, 236, 218)))
    canvas.fill(placed(ellipse(0, -0.86, 0.82, 0.16), x, y, size), gradient((196, 176, 150), (236, 222, 200)))
    cap = smooth(
        [
            (-0.95, -0.86),
            (-0.8, -1.3),
            (-0.35, -1.62),
            (0.35, -1.62),
            (0.8, -1.3),
            (0.95, -0.86),
            (0.5, -0.8),
            (-0.5, -0.8),
        ]
    )
    canvas.fill(placed(cap, x, y, size), lit(colour, gloss=0.45, shade=0.5))
    if is_spotted:
        for across, level, radius in (
            (-0.52, -1.16, 0.11),
            (-0.1, -1.42, 0.13),
            (0.34, -1.2, 0.14),
            (0.66, -1.02, 0.08),
            (-0.2, -1.02, 0.1),
            (-0.76, -0.95, 0.06),
            (0.3, -1.52, 0.06),
        ):
            canvas.fill(
                placed(ellipse(across, level, radius, radius * 0.8), x, y, size),
                lit((252, 246, 234), gloss=0.2, shade=0.2),
            )


def fish(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a goldfish swimming right; (x, y) is its middle."""
    fin = gradient(mixed(colour, WHITE, 0.35), mixed(colour, BLACK, 0.08))
    canvas.fill(
        placed(smooth([(-0.7, 0), (-1.2, -0.5), (-1.42, -0.42), (-1.2, 0), (-1.45, 0.45), (-1.18, 0.5)]), x, y, size),
        fin,
        opacity=0.92,
    )
    canvas.fill(
        placed(smooth([(-0.3, -0.4), (-0.1, -0.8), (0.35, -0.62), (0.4, -0.38)]), x, y, size), fin, opacity=0.92
    )
    canvas.fill(placed(smooth([(-0.1, 0.36), (-0.25, 0.72), (0.12, 0.62), (0.2, 0.38)]), x, y, size), fin, opacity=0.92)
    body = smooth([(-0.85, 0), (-0.3, -0.44), (0.35, -0.48), (0.88, -0.14), (0.95, 0.06), (0.4, 0.44), (-0.3, 0.4)])
    canvas.fill(placed(body, x, y, size), gradient(colour, mixed(colour, WHITE, 0.5)))
    for column in range(5):
        for row in range(-2, 3):
            turn = np.linspace(-1.2, 1.2, 10)
            place = (-0.42 + column * 0.19, row * 0.13 + (column % 2) * 0.065)
            scale = np.stack([place[0] - 0.07 * np.cos(turn), place[1] + 0.07 * np.sin(turn)], axis=1)
            canvas.stroke(placed(scale, x, y, size), 0.012 * size, flat(mixed(colour, BLACK, 0.3)), opacity=0.45)
    canvas.fill(placed(ellipse(0.62, -0.12, 0.11), x, y, size), flat(WHITE))
    canvas.fill(placed(ellipse(0.64, -0.12, 0.06), x, y, size), flat(BLACK))
    canvas.fill(placed(ellipse(0.66, -0.14, 0.02), x, y, size), flat(WHITE))
    canvas.stroke(placed([(0.93, 0.08), (0.8, 0.12)], x, y, size), 0.02 * size, flat(mixed(colour, BLACK, 0.5)))


def water(canvas: Canvas) -> None:
    """Draw clear water from the surface to the sandy ground, with weeds and bubbles."""
    corner = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], dtype=float)
    canvas.fill(corner, gradient((128, 206, 222), (24, 92, 136)))
    ground = smooth([(-0.5, 2.75), (0.8, 2.62), (2.2, 2.74), (3.4, 2.6), (4.5, 2.72), (4.5, 3.3), (-0.5, 3.3)])
    canvas.fill(ground, gradient((226, 208, 158), (186, 160, 110)))
    rng = np.random.default_rng(12)
    for root in (0.35, 0.55, 0.8, 3.3, 3.55, 3.75):
        rise = np.linspace(0, 1, 24)
        sway = root + 0.09 * np.sin(rise * 6 + root * 5)
        weed = np.stack([sway, 2.72 - rise * rng.uniform(0.8, 1.5)], axis=1)
        canvas.stroke(weed, 0.06, gradient((104, 176, 92), (36, 104, 66)))
    for x, y, radius in zip(
        rng.uniform(0.6, 3.6, 14), rng.uniform(0.2, 2.2, 14), rng.uniform(0.02, 0.06, 14), strict=True
    ):
        canvas.fill(ellipse(x, y, radius), lit((190, 232, 242), gloss=0.8, shade=0.2), opacity=0.6)


@dataclass(frozen=True, slots=True)
class Blossom:
    """The look of a flower: the colours of its petals and its heart, and the number of petals in a ring."""

    colour: Colour
    heart: Colour
    petals: int


def flower(canvas: Canvas, x: float, y: float, size: float, blossom: Blossom) -> None:
    """Draw a flower seen from the front, with stem and leaves; (x, y) is the middle of the blossom."""
    canvas.stroke(
        placed([(0, 0.2), (0.05, 1.0), (-0.02, 2.2)], x, y, size), 0.09 * size, gradient((98, 160, 66), (56, 112, 42))
    )
    leaf(canvas, x + 0.03 * size, y + 1.35 * size, 0.9 * size, -28)
    leaf(canvas, x + 0.03 * size, y + 1.6 * size, 0.8 * size, 205)
    petal = smooth([(0.0, -0.3), (0.13, -0.62), (0.0, -1.0), (-0.13, -0.62)]) * np.array([26 / blossom.petals, 1])
    for ring, tone in ((0.5, mixed(blossom.colour, BLACK, 0.18)), (0.0, blossom.colour)):
        for number in range(blossom.petals):
            shape = turned(petal, (number + ring) * 360 / blossom.petals)
            canvas.fill(placed(shape, x, y, size), gradient(mixed(tone, WHITE, 0.15), mixed(tone, BLACK, 0.08)))
    canvas.fill(placed(ellipse(0, 0, 0.4), x, y, size), lit(blossom.heart, gloss=0.25, shade=0.5))
    for seed in range(110):
        turn, away = seed * 2.39996, 0.36 * np.sqrt(seed / 110)
        dot = (away * np.cos(turn), away * np.sin(turn))
        canvas.fill(placed(ellipse(*dot, 0.016), x, y, size), flat(mixed(blossom.heart, BLACK, 0.45)), opacity=0.6)


def tree(canvas: Canvas, x: float, y: float, size: float, colour: Colour | None) -> None:
    """Draw a tree with leaves of a colour, or a bare tree for None; (x, y) is the middle of its foot."""
    canvas.shadow(x, y, 0.9 * size, 0.1 * size)
    _branch(canvas, (x, y), 0.62 * size, -90, 0.16 * size)
    if colour is None:
        return
    rng = np.random.default_rng(17)
    for shade in (0.3, 0.12, -0.12):
        for turn, away in zip(rng.uniform(0, 2 * np.pi, 46), np.sqrt(rng.uniform(0, 1, 46)), strict=True):
            puff = (0.86 * away * np.cos(turn) + shade * 0.2, -1.36 + 0.62 * away * np.sin(turn) + shade * 0.3)
            tone = mixed(colour, BLACK if shade > 0 else WHITE, abs(shade))
            canvas.fill(placed(ellipse(*puff, rng.uniform(0.09, 0.19)), x, y, size), lit(tone, gloss=0.06, shade=0.2))


def zebra_stripes(canvas: Canvas) -> None:
    """Draw the pattern of a zebra's coat over the whole picture."""
    canvas.fill(ellipse(2, 1.5, 4), flat((246, 242, 234)))
    y = np.linspace(-0.3, 3.3, 60)
    for number in range(11):
        middle = -0.2 + number * 0.44 + 0.16 * np.sin(y * 1.7 + number * 0.8) + 0.09 * np.sin(y * 3.9 + number)
        half = 0.1 + 0.05 * np.sin(y * 1.1 + number * 1.9)
        stripe = np.concatenate([np.stack([middle - half, y], 1), np.stack([middle + half, y], 1)[::-1]])
        canvas.fill(stripe, gradient((42, 36, 36), (22, 20, 22)))


def volcano(canvas: Canvas) -> None:
    """Draw a volcano that spews fire and smoke."""
    for dx, dy, radius in ((0.1, -0.2, 0.26), (-0.16, -0.55, 0.34), (0.22, -0.8, 0.42), (0.6, -1.0, 0.4)):
        canvas.fill(ellipse(2 + dx, 1.2 + dy, radius), lit((112, 104, 108), gloss=0.1), opacity=0.85, blur=0.06)
    canvas.glow(2, 1.1, 0.9, (255, 120, 40), 0.8)
    cone = smooth([(-0.4, 3.1), (1.1, 2.2), (1.72, 1.16), (2, 1.22), (2.28, 1.16), (2.9, 2.2), (4.4, 3.1)])
    canvas.fill(cone, gradient((96, 76, 74), (46, 42, 50)))
    for flow in ([(1.95, 1.2), (1.8, 1.7), (1.9, 2.1), (1.7, 2.7)], [(2.06, 1.2), (2.2, 1.6), (2.1, 2.0), (2.4, 2.5)]):
        canvas.stroke(_rounded(flow), 0.1, gradient((255, 214, 90), (226, 60, 24)))
    for turn in np.linspace(-0.9, 0.9, 9):
        spark = np.array(
            [(2 + 0.1 * turn, 1.15), (2 + 0.5 * turn, 0.75 + 0.2 * turn**2), (2 + 0.8 * turn, 0.72 + 0.5 * turn**2)]
        )
        canvas.stroke(_rounded(spark), 0.035, gradient((255, 230, 120), (250, 110, 30)))


def rainbow(canvas: Canvas) -> None:
    """Draw a rainbow over the land."""
    turn = np.linspace(np.pi, 2 * np.pi, 80)
    bands: tuple[Colour, ...] = (
        (226, 58, 52),
        (244, 146, 44),
        (250, 222, 72),
        (84, 184, 92),
        (66, 126, 214),
        (128, 82, 184),
    )
    for number, colour in enumerate(bands):
        radius = 1.75 - number * 0.085
        arc = np.stack([2 + radius * np.cos(turn), 2.05 + radius * np.sin(turn)], axis=1)
        canvas.stroke(arc, 0.09, flat(colour), opacity=0.72)


def _branch(canvas: Canvas, start: tuple[float, float], length: float, turn: float, width: float) -> None:
    angle = np.deg2rad(turn)
    end = (start[0] + length * np.cos(angle), start[1] + length * np.sin(angle))
    canvas.stroke(np.array([start, end]), width, gradient((128, 92, 62), (84, 58, 40), across=True))
    if width > 0.02:
        for spread, share in ((-34, 0.72), (26, 0.76), (-4, 0.6)):
            _branch(canvas, end, length * share, turn + spread, width * 0.56)


def _rounded(path: list[tuple[float, float]] | Points) -> Points:
    """Return a smooth open path through some points."""
    points = np.asarray(path, dtype=float)
    place = np.arange(len(points))
    fine = np.linspace(0, len(points) - 1, 40)
    order = min(3, len(points) - 1)
    return np.stack([np.polyval(np.polyfit(place, points[:, axis], order), fine) for axis in (0, 1)], axis=1)
