"""Draw man-made things: balloon, umbrella, boat, lighthouse, house, traffic light, car, mug, shirt, balls, clock.

Each function draws one thing at (x, y), as its docstring says; size 1 is about half the height of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from unite_search.demo.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Points,
    box,
    ellipse,
    flat,
    gradient,
    lit,
    mixed,
    smooth,
    tube,
)

STEEL: Colour = (150, 156, 166)
WOOD: Colour = (132, 88, 52)
GLASS: Colour = (172, 214, 236)
LAMP: Colour = (255, 232, 150)
SIGNALS: dict[str, Colour] = {"red": (240, 48, 40), "amber": (255, 178, 32), "green": (52, 206, 92)}
_BALLOON_RIGHT = [(0.36, -0.74), (0.62, -0.46), (0.68, -0.04), (0.5, 0.36), (0.15, 0.78)]


def placed(points: Sequence[tuple[float, float]] | Points, x: float, y: float, size: float) -> Points:
    """Return the points of a drawing around (0, 0), scaled and moved to (x, y)."""
    result: Points = np.asarray(points, dtype=float) * size + np.array([x, y])
    return result


def hot_air_balloon(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a striped hot-air balloon; (x, y) is the middle of the envelope."""
    outline = smooth(
        [(-0.15, 0.78), (-0.5, 0.36), (-0.68, -0.04), (-0.62, -0.46), (-0.36, -0.74), (0, -0.84), *_BALLOON_RIGHT]
    )
    envelope = placed(outline, x, y, size)
    canvas.fill(envelope, lit(colour, gloss=0.4))
    for inner, share in ((0.62, 0.0), (0.2, 0.55)):
        stripe = placed(outline * np.array([inner, 1]), x, y, size)
        paint = lit(mixed(colour, WHITE, 0.75) if share == 0 else colour, gloss=0.4)
        canvas.fill(stripe, paint)
    for side in (-0.13, 0.13):
        canvas.stroke(placed([(side, 0.78), (side * 0.9, 1.06)], x, y, size), 0.014 * size, flat(WOOD))
    canvas.fill(placed(box(-0.15, 1.04, 0.15, 1.28, 0.04), x, y, size), tube((170, 116, 66)))


def umbrella(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw an open umbrella; (x, y) is the middle of its lower edge."""
    canvas.stroke(placed([(0, -0.6), (0, 0.75)], x, y, size), 0.035 * size, flat((84, 72, 66)))
    hook = [(0.1 - 0.1 * np.cos(turn), 0.75 + 0.12 * np.sin(turn)) for turn in np.linspace(0, np.pi, 16)]
    canvas.stroke(placed(hook, x, y, size), 0.05 * size, flat(WOOD))
    angle = np.linspace(np.pi, 2 * np.pi, 60)
    ribs = np.linspace(-0.95, 0.95, 5)
    for number, (left, right) in enumerate(pairwise(ribs)):
        top = [(-0.02, -0.62), (0.02, -0.62)]
        along = np.linspace(right, left, 14)
        hem = [(place, -0.09 * np.sin(np.pi * (place - left) / (right - left))) for place in along]
        right_edge = [(right * np.sin(t), -0.62 * np.cos(t)) for t in np.linspace(0, np.pi / 2, 14)]
        left_edge = [(left * np.sin(t), -0.62 * np.cos(t)) for t in np.linspace(np.pi / 2, 0, 14)]
        tone = mixed(colour, WHITE if number < 2 else BLACK, (0.22, 0.06, 0.08, 0.26)[number])
        canvas.fill(placed([*top, *right_edge, *hem, *left_edge], x, y, size), gradient(mixed(tone, WHITE, 0.2), tone))
    canvas.stroke(placed([(0, -0.62), (0, -0.74)], x, y, size), 0.04 * size, flat((84, 72, 66)))
    rim = np.stack([0.95 * np.cos(angle), 0.62 * np.sin(angle)], axis=1)
    canvas.stroke(placed(rim, x, y, size), 0.012 * size, flat(mixed(colour, BLACK, 0.35)))


def sailing_boat(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a sailing boat heading right; (x, y) is the waterline; the colour is that of its sails."""
    canvas.shadow(x, y + 0.06 * size, 0.8 * size, 0.05 * size, 0.4)
    canvas.stroke(placed([(0, -0.2), (0, -1.62)], x, y, size), 0.03 * size, flat(WOOD))
    main = [(-0.04, -1.58), (-0.25, -0.9), (-0.72, -0.32), (-0.04, -0.3)]
    canvas.fill(placed(main, x, y, size), gradient(colour, mixed(colour, BLACK, 0.22), across=True))
    jib = [(0.05, -1.5), (0.42, -0.82), (0.68, -0.3), (0.05, -0.34)]
    canvas.fill(placed(jib, x, y, size), gradient(mixed(colour, WHITE, 0.35), mixed(colour, BLACK, 0.1), across=True))
    hull = smooth([(-0.82, -0.24), (0, -0.2), (0.92, -0.27), (0.6, 0.03), (-0.6, 0.03)])
    canvas.fill(placed(hull, x, y, size), gradient((250, 250, 250), (120, 130, 150)))
    canvas.stroke(placed([(-0.76, -0.13), (0.72, -0.13)], x, y, size), 0.03 * size, flat((176, 52, 44)))


def lighthouse(canvas: Canvas, x: float, y: float, size: float, *, is_lit: bool) -> None:
    """Draw a striped lighthouse; (x, y) is the middle of its foot."""
    canvas.fill(
        placed(smooth([(-0.9, 0.1), (-0.5, -0.16), (0.1, -0.2), (0.6, -0.12), (0.95, 0.1)]), x, y, size),
        lit((112, 104, 98)),
    )
    for band in range(6):
        low, high = -0.1 - band * 0.22, -0.1 - (band + 1) * 0.22
        left, right = 0.3 - 0.022 * band, 0.3 - 0.022 * (band + 1)
        shape = [(-left, low), (-right, high), (right, high), (left, low)]
        canvas.fill(placed(shape, x, y, size), tube(WHITE if band % 2 else (206, 52, 46)))
    canvas.fill(placed(box(-0.27, -1.47, 0.27, -1.41), x, y, size), flat((62, 66, 76)))
    tint, canvas.tint = canvas.tint, (1.0, 1.0, 1.0) if is_lit else canvas.tint
    canvas.fill(placed(box(-0.14, -1.68, 0.14, -1.47), x, y, size), flat(LAMP if is_lit else GLASS))
    canvas.tint = tint
    canvas.fill(placed([(-0.2, -1.68), (0, -1.9), (0.2, -1.68)], x, y, size), gradient((206, 52, 46), (140, 34, 32)))
    for level in (-0.5, -0.95):
        canvas.fill(placed(box(-0.05, level - 0.1, 0.05, level + 0.02, 0.04), x, y, size), flat((62, 66, 76)))
    if is_lit:
        beam = placed([(0.1, -1.62), (2.6, -2.0), (2.6, -1.2), (0.1, -1.54)], x, y, size)
        canvas.tint = (1.0, 1.0, 1.0)
        canvas.fill(beam, flat(LAMP), opacity=0.32, blur=0.05)
        canvas.tint = tint
        canvas.glow(x, y - 1.58 * size, 0.55 * size, LAMP, 0.9)


def house(canvas: Canvas, x: float, y: float, size: float, colour: Colour, *, is_lit: bool = False) -> None:
    """Draw a wooden house with a gable; (x, y) is the middle of its foot; the colour is that of its walls."""
    canvas.shadow(x + 0.1 * size, y, 1.1 * size, 0.08 * size)
    canvas.fill(placed(box(0.35, -1.25, 0.52, -0.8), x, y, size), tube((150, 84, 70)))
    wall = placed([(-0.8, 0), (-0.8, -0.74), (0, -1.34), (0.8, -0.74), (0.8, 0)], x, y, size)
    canvas.fill(wall, gradient(mixed(colour, WHITE, 0.12), mixed(colour, BLACK, 0.15), across=True))
    for level in np.arange(-0.62, 0, 0.12):
        canvas.stroke(
            placed([(-0.8, level), (0.8, level)], x, y, size), 0.008, flat(mixed(colour, BLACK, 0.4)), opacity=0.5
        )
    roof = placed([(-0.98, -0.62), (0, -1.36), (0.98, -0.62)], x, y, size)
    canvas.stroke(roof, 0.13 * size, gradient((112, 74, 66), (78, 50, 48), across=True))
    tint = canvas.tint
    for left in (-0.6, 0.26):
        canvas.fill(placed(box(left - 0.03, -0.55, left + 0.37, -0.19), x, y, size), flat(WHITE))
        canvas.tint = (1.0, 1.0, 1.0) if is_lit else tint
        canvas.fill(
            placed(box(left, -0.52, left + 0.34, -0.22), x, y, size),
            flat(LAMP) if is_lit else gradient(GLASS, (96, 138, 168)),
        )
        canvas.tint = tint
        canvas.stroke(placed([(left + 0.17, -0.52), (left + 0.17, -0.22)], x, y, size), 0.025 * size, flat(WHITE))
        canvas.stroke(placed([(left, -0.37), (left + 0.34, -0.37)], x, y, size), 0.025 * size, flat(WHITE))
    canvas.fill(placed(box(-0.14, -0.5, 0.14, 0), x, y, size), gradient((120, 76, 48), (84, 50, 32), across=True))
    canvas.fill(placed(ellipse(0.09, -0.24, 0.022), x, y, size), flat((226, 190, 96)))


def traffic_light(canvas: Canvas, x: float, y: float, size: float, shows: str) -> None:
    """Draw a traffic light that shows one of `SIGNALS`; (x, y) is its middle."""
    canvas.fill(placed(box(-0.06, 0.8, 0.06, 2.4), x, y, size), tube(STEEL))
    canvas.fill(placed(box(-0.36, -0.9, 0.36, 0.9, 0.14), x, y, size), tube((54, 58, 60)))
    for number, (name, colour) in enumerate(SIGNALS.items()):
        level = -0.56 + 0.56 * number
        is_on = name == shows
        canvas.fill(placed(ellipse(0, level, 0.24), x, y, size), flat((24, 26, 28)))
        canvas.fill(
            placed(ellipse(0, level, 0.21), x, y, size), lit(colour if is_on else mixed(colour, BLACK, 0.78), gloss=0.5)
        )
        if is_on:
            canvas.glow(x, y + level * size, 0.55 * size, colour, 0.65)


def car(canvas: Canvas, x: float, y: float, size: float, colour: Colour, *, lights: bool = False) -> None:
    """Draw a car heading right; (x, y) is the middle of the ground under it."""
    canvas.shadow(x, y, 1.35 * size, 0.09 * size, 0.55)
    cabin = smooth([(-0.78, -0.5), (-0.52, -0.9), (0.1, -0.95), (0.45, -0.82), (0.8, -0.5), (0, -0.4)])
    canvas.fill(placed(cabin, x, y, size), gradient(mixed(colour, WHITE, 0.2), mixed(colour, BLACK, 0.1)))
    for pane in (
        [(-0.62, -0.55), (-0.45, -0.83), (-0.02, -0.87), (-0.02, -0.55)],
        [(0.06, -0.55), (0.06, -0.87), (0.38, -0.78), (0.62, -0.55)],
    ):
        canvas.fill(placed(pane, x, y, size), gradient((214, 234, 244), (84, 112, 136)))
    body = smooth(
        [(-1.28, -0.5), (-0.9, -0.56), (0.7, -0.56), (1.22, -0.42), (1.32, -0.2), (0.9, -0.14), (-1.25, -0.14)]
    )
    canvas.fill(placed(body, x, y, size), gradient(mixed(colour, WHITE, 0.28), mixed(colour, BLACK, 0.32)))
    canvas.stroke(
        placed([(-1.2, -0.4), (1.12, -0.4)], x, y, size), 0.014 * size, flat(mixed(colour, WHITE, 0.55)), opacity=0.7
    )
    canvas.stroke(placed([(0.02, -0.55), (0.02, -0.2)], x, y, size), 0.01 * size, flat(mixed(colour, BLACK, 0.5)))
    canvas.stroke(placed([(0.08, -0.45), (0.2, -0.45)], x, y, size), 0.025 * size, flat(mixed(colour, BLACK, 0.5)))
    for wheel in (-0.78, 0.8):
        canvas.fill(placed(ellipse(wheel, -0.2, 0.27), x, y, size), flat((36, 36, 40)))
        canvas.fill(placed(ellipse(wheel, -0.2, 0.15), x, y, size), lit((206, 210, 216), gloss=0.3))
        canvas.fill(placed(ellipse(wheel, -0.2, 0.05), x, y, size), flat((90, 94, 100)))
    canvas.fill(placed(ellipse(1.2, -0.36, 0.09, 0.055), x, y, size), flat((255, 246, 206)))
    canvas.fill(placed(box(-1.3, -0.44, -1.2, -0.33, 0.02), x, y, size), flat((200, 30, 30)))
    if lights:
        tint, canvas.tint = canvas.tint, (1.0, 1.0, 1.0)
        canvas.fill(
            placed([(1.25, -0.4), (2.6, -0.5), (2.6, 0.06), (1.25, -0.3)], x, y, size),
            flat(LAMP),
            opacity=0.3,
            blur=0.05,
        )
        canvas.tint = tint
        canvas.glow(x + 1.22 * size, y - 0.36 * size, 0.3 * size, LAMP, 0.9)


def mug(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a coffee mug with its handle to the right; (x, y) is the middle of its foot."""
    canvas.shadow(x + 0.08 * size, y, 0.72 * size, 0.1 * size)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 24)
    handle = np.stack([0.5 + 0.34 * np.cos(turn), -0.5 + 0.3 * np.sin(turn)], axis=1)
    canvas.stroke(
        placed(handle, x, y, size), 0.12 * size, gradient(mixed(colour, WHITE, 0.15), mixed(colour, BLACK, 0.3))
    )
    wall = np.concatenate([ellipse(0, -0.95, 0.52, 0.13)[48:], ellipse(0, -0.06, 0.46, 0.12)[:48]])
    canvas.fill(placed(wall, x, y, size), tube(colour, shade=0.4))
    canvas.fill(placed(ellipse(0, -0.95, 0.52, 0.13), x, y, size), flat(mixed(colour, WHITE, 0.35)))
    canvas.fill(placed(ellipse(0, -0.935, 0.46, 0.1), x, y, size), gradient((60, 36, 22), (104, 66, 40)))


def shirt(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a T-shirt laid flat; (x, y) is its middle."""
    half = [(0.2, -0.82), (0.5, -0.76), (0.98, -0.36), (0.74, -0.06), (0.52, -0.24), (0.54, 0.9)]
    outline = [*half, *((-across, down) for across, down in reversed(half))]
    canvas.fill(placed(outline, x + 0.05, y + 0.07, size), flat((20, 18, 30)), opacity=0.3, blur=0.05)
    canvas.fill(placed(outline, x, y, size), gradient(mixed(colour, WHITE, 0.12), mixed(colour, BLACK, 0.12)))
    canvas.fill(
        placed(smooth([(-0.2, -0.83), (0, -0.88), (0.2, -0.83), (0, -0.62)]), x, y, size),
        flat(mixed(colour, BLACK, 0.45)),
    )
    for fold in ([(0.3, -0.1), (0.22, 0.4), (0.3, 0.85)], [(-0.34, 0.0), (-0.26, 0.45), (-0.36, 0.85)]):
        canvas.stroke(placed(fold, x, y, size), 0.03 * size, flat(mixed(colour, BLACK, 0.4)), opacity=0.3)
    for side in (-1, 1):
        canvas.stroke(
            placed([(0.52 * side, -0.24), (0.5 * side, -0.6)], x, y, size),
            0.012 * size,
            flat(mixed(colour, BLACK, 0.45)),
        )


def tennis_ball(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a tennis ball; (x, y) is its middle."""
    canvas.shadow(x + 0.1 * size, y + 0.98 * size, 0.9 * size, 0.12 * size)
    canvas.fill(ellipse(x, y, size), lit((206, 228, 62), gloss=0.25, shade=0.5))
    turn = np.linspace(-0.84, 0.84, 40)
    for side in (-1, 1):
        seam = np.stack([side * (1.28 - 0.86 * np.cos(turn)), 0.86 * np.sin(turn)], axis=1)
        canvas.stroke(placed(seam, x, y, size), 0.07 * size, flat((244, 246, 230)))


def basketball(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a basketball; (x, y) is its middle."""
    canvas.shadow(x + 0.1 * size, y + 0.98 * size, 0.9 * size, 0.12 * size)
    canvas.fill(ellipse(x, y, size), lit(colour, gloss=0.3, shade=0.6))
    turn = np.linspace(-0.86, 0.86, 40)
    for seam in (
        np.stack([0 * turn, 1.13 * turn], axis=1),
        np.stack([1.13 * turn, 0.12 * np.cos(turn * 1.5)], axis=1),
        np.stack([1.22 - 0.8 * np.cos(turn), 0.82 * turn], axis=1),
        np.stack([-1.22 + 0.8 * np.cos(turn), 0.82 * turn], axis=1),
    ):
        canvas.stroke(placed(seam * 0.97, x, y, size), 0.035 * size, flat((46, 28, 22)))


def clock(canvas: Canvas, x: float, y: float, size: float, colour: Colour, minutes: float) -> None:
    """Draw a wall clock that shows a time, in minutes after twelve; (x, y) is its middle."""
    canvas.fill(ellipse(x + 0.05, y + 0.08, 1.04 * size), flat((20, 18, 30)), opacity=0.35, blur=0.06)
    canvas.fill(ellipse(x, y, 1.03 * size), lit(colour, gloss=0.35))
    canvas.fill(ellipse(x, y, 0.88 * size), flat((250, 248, 240)))
    for mark in range(60):
        turn = np.deg2rad(mark * 6)
        way = np.array([np.sin(turn), -np.cos(turn)])
        inner, width = (0.68, 0.045) if mark % 5 == 0 else (0.78, 0.014)
        canvas.stroke(placed([tuple(way * inner), tuple(way * 0.82)], x, y, size), width * size, flat(BLACK))
    for turn, length, width in ((minutes / 720, 0.46, 0.07), (minutes / 60, 0.68, 0.05)):
        angle = 2 * np.pi * turn
        tip = (length * np.sin(angle), -length * np.cos(angle))
        canvas.stroke(placed([(-tip[0] * 0.15, -tip[1] * 0.15), tip], x, y, size), width * size, flat((40, 42, 52)))
    canvas.fill(ellipse(x, y, 0.06 * size), lit((196, 60, 52)))
