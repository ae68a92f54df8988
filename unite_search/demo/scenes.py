"""Draw backgrounds: sky, sea, beach, meadow, mountains, a table, each by day, at sunset and at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from unite_search.demo.canvas import (
    DAYLIGHT,
    HEIGHT,
    WHITE,
    WIDTH,
    Canvas,
    Colour,
    Points,
    box,
    ellipse,
    flat,
    gradient,
    mixed,
)

Hour = Literal["day", "sunset", "night"]


@dataclass(frozen=True, slots=True)
class Mood:
    """The colours of a time of day: sky from top to horizon, sea from horizon to shore, tint of everything else."""

    sky: tuple[Colour, Colour]
    sea: tuple[Colour, Colour]
    tint: Colour


MOODS: dict[Hour, Mood] = {
    "day": Mood(((62, 138, 214), (190, 224, 244)), ((38, 112, 168), (92, 190, 200)), DAYLIGHT),
    "sunset": Mood(((64, 62, 120), (252, 160, 84)), ((206, 112, 84), (66, 54, 98)), (0.95, 0.72, 0.62)),
    "night": Mood(((8, 12, 34), (28, 40, 84)), ((16, 26, 58), (10, 16, 38)), (0.42, 0.45, 0.62)),
}


def sky(canvas: Canvas, hour: Hour, *, horizon: float = HEIGHT, light: tuple[float, float] = (3.1, 0.7)) -> None:
    """Draw the sky down to the horizon, with sun, clouds, or moon and stars; set the tint of the canvas."""
    canvas.tint = DAYLIGHT
    canvas.fill(box(0, 0, WIDTH, horizon), gradient(*MOODS[hour].sky))
    x, y = light
    if hour == "night":
        _stars(canvas, horizon)
        canvas.glow(x, y, 0.9, (120, 140, 200), 0.5)
        canvas.fill(ellipse(x, y, 0.24), flat((244, 240, 220)))
        canvas.fill(ellipse(x - 0.08, y - 0.03, 0.05), flat((222, 216, 196)))
        canvas.fill(ellipse(x + 0.07, y + 0.08, 0.035), flat((222, 216, 196)))
    elif hour == "sunset":
        canvas.glow(x, y, 2.2, (255, 210, 120), 0.75)
        sun(canvas, x, y)
    else:
        canvas.glow(x, y, 1.1, (255, 252, 226), 0.9)
        canvas.fill(ellipse(x, y, 0.2), flat((255, 252, 232)))
        for cloud_x, cloud_y, size in ((0.8, 0.55, 1.0), (2.2, 0.35, 0.7)):
            cloud(canvas, cloud_x, cloud_y, size)
    canvas.tint = MOODS[hour].tint


def sun(canvas: Canvas, x: float, y: float, *, horizon: float = HEIGHT) -> None:
    """Draw the low sun, cut off at the horizon."""
    disc = ellipse(x, y, 0.32)
    disc[:, 1] = np.minimum(disc[:, 1], horizon)
    canvas.fill(disc, gradient((255, 244, 190), (255, 190, 96)))


def cloud(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw a fair-weather cloud."""
    for dx, dy, radius in ((-0.34, 0.05, 0.16), (-0.14, -0.04, 0.22), (0.12, -0.02, 0.2), (0.34, 0.06, 0.15)):
        puff = ellipse(x + dx * size, y + dy * size, radius * size, radius * size * 0.72)
        canvas.fill(puff, gradient(WHITE, (222, 232, 242)), opacity=0.92, blur=0.025 * size)


def sea(canvas: Canvas, hour: Hour, *, horizon: float = 1.5, shore: float = HEIGHT) -> None:
    """Draw water from the horizon to the shore, with waves."""
    canvas.tint = DAYLIGHT
    near, far = MOODS[hour].sea
    canvas.fill(box(0, horizon, WIDTH, shore), gradient(near, far))
    rng = np.random.default_rng(5)
    crest = mixed(MOODS[hour].sky[1], WHITE, 0.35)
    for depth in np.linspace(0.03, 1, 26) ** 1.6:
        y = horizon + depth * (shore - horizon)
        for x in rng.uniform(-0.3, WIDTH, 5):
            length = 0.12 + 0.5 * depth
            canvas.stroke(_ripple(x, y, length, 0.02 * depth), 0.006 + 0.012 * depth, flat(crest), opacity=0.35)
    canvas.tint = MOODS[hour].tint


def beach(canvas: Canvas, hour: Hour) -> None:
    """Draw sky, sea and a curved strip of sand."""
    sky(canvas, hour, horizon=1.35, light=(3.0, 1.05 if hour == "sunset" else 0.6))
    sea(canvas, hour, horizon=1.35, shore=2.6)
    x = np.linspace(0, WIDTH, 60)
    edge = 2.15 + 0.16 * np.sin(x * 1.1 + 0.4)
    shore = np.concatenate([np.stack([x, edge], axis=1), [(WIDTH, HEIGHT), (0, HEIGHT)]])
    canvas.fill(shore - (0, 0.07), flat(WHITE), opacity=0.75, blur=0.015)
    canvas.fill(shore, gradient((238, 214, 166), (214, 180, 124)))


def meadow(canvas: Canvas, hour: Hour, *, horizon: float = 1.75) -> None:
    """Draw sky over rolling grass."""
    sky(canvas, hour, horizon=horizon + 0.3)
    grass(canvas, horizon=horizon)


def grass(canvas: Canvas, *, horizon: float = 1.75) -> None:
    """Draw rolling grass in front of what is there."""
    for level, top, bottom in (
        (horizon, (132, 178, 96), (98, 150, 72)),
        (horizon + 0.22, (112, 170, 74), (58, 118, 46)),
    ):
        x = np.linspace(0, WIDTH, 60)
        edge = level + 0.09 * np.sin(x * 1.4 + level * 9)
        hill = np.concatenate([np.stack([x, edge], axis=1), [(WIDTH, HEIGHT), (0, HEIGHT)]])
        canvas.fill(hill, gradient(top, bottom))
    rng = np.random.default_rng(3)
    for x, y in zip(rng.uniform(0, WIDTH, 130), rng.uniform(horizon + 0.5, HEIGHT, 130), strict=True):
        blade = np.array([(x, y), (x + rng.uniform(-0.03, 0.03), y - 0.05 - 0.05 * (y - horizon))])
        canvas.stroke(blade, 0.012, flat((74, 132, 52)), opacity=0.6)


def mountains(canvas: Canvas, hour: Hour) -> None:
    """Draw snowy peaks over a dark forest."""
    sky(canvas, hour, horizon=2.4, light=(3.3, 0.5))
    haze = MOODS[hour].sky[1]
    for seed, base, height, rock in ((11, 2.3, 1.2, (134, 150, 174)), (4, 2.55, 1.75, (104, 110, 124))):
        ridge = _ridge(seed, base, height)
        shape = np.concatenate([ridge, [(WIDTH, HEIGHT), (0, HEIGHT)]])
        canvas.fill(shape, gradient(mixed(rock, haze, 0.15), mixed(rock, haze, 0.45)))
        _snow(canvas, ridge, base, height)
    trees = _ridge(8, 2.62, 0.35)
    canvas.fill(np.concatenate([trees, [(WIDTH, HEIGHT), (0, HEIGHT)]]), gradient((44, 78, 58), (26, 50, 36)))
    for x, y in trees[::3]:
        canvas.fill(np.array([(x - 0.06, y + 0.25), (x, y - 0.14), (x + 0.06, y + 0.25)]), flat((34, 64, 48)))


def table(canvas: Canvas, hour: Hour, *, wall: Colour = (214, 222, 226), top: Colour = (188, 140, 96)) -> None:
    """Draw a wooden table in front of a plain wall."""
    canvas.tint = MOODS[hour].tint
    canvas.fill(box(0, 0, WIDTH, 2.05), gradient(mixed(wall, WHITE, 0.35), wall))
    canvas.fill(box(0, 2.0, WIDTH, HEIGHT), gradient(top, mixed(top, (60, 34, 16), 0.35)))
    rng = np.random.default_rng(2)
    for y in np.sort(rng.uniform(2.05, HEIGHT, 16)):
        x = np.linspace(0, WIDTH, 30)
        grain = np.stack([x, y + 0.015 * np.sin(x * rng.uniform(1, 3) + y * 7)], axis=1)
        canvas.stroke(grain, 0.008, flat(mixed(top, (70, 40, 18), 0.5)), opacity=0.35)


def road(canvas: Canvas, hour: Hour) -> None:
    """Draw a country road in front of a meadow."""
    meadow(canvas, hour, horizon=1.35)
    canvas.fill(box(0, 2.15, WIDTH, 2.85), gradient((112, 112, 118), (82, 82, 90)))
    for left in np.arange(-0.2, WIDTH, 0.8):
        canvas.fill(box(left, 2.62, left + 0.42, 2.66), flat(WHITE), opacity=0.9)


def _stars(canvas: Canvas, horizon: float) -> None:
    rng = np.random.default_rng(21)
    for x, y, size in zip(
        rng.uniform(0, WIDTH, 90), rng.uniform(0, horizon, 90), rng.uniform(0.006, 0.016, 90), strict=True
    ):
        canvas.fill(ellipse(x, y, size), flat((236, 238, 255)), opacity=rng.uniform(0.4, 1.0))


def _ripple(x: float, y: float, length: float, height: float) -> Points:
    along = np.linspace(0, 1, 12)
    return np.stack([x + along * length, y - height * np.sin(along * np.pi)], axis=1)


def _ridge(seed: int, base: float, height: float) -> Points:
    """Return a mountain ridge by midpoint displacement: (65, 2) points from left to right."""
    rng = np.random.default_rng(seed)
    level = np.array([rng.uniform(0.1, 0.4), rng.uniform(0.75, 1.0), rng.uniform(0.3, 0.5), rng.uniform(0.6, 0.9), 0.2])
    spread = 0.16
    while len(level) < 65:
        middle = (level[1:] + level[:-1]) / 2 + rng.uniform(-spread, spread, len(level) - 1)
        level = np.insert(level, np.arange(1, len(level)), middle)
        spread *= 0.55
    return np.stack([np.linspace(0, WIDTH, 65), base - height * level], axis=1)


def _snow(canvas: Canvas, ridge: Points, base: float, height: float) -> None:
    """Draw snow above a ragged snow line."""
    line = base - height * 0.52
    ragged = line + 0.09 * np.sin(ridge[:, 0] * 23) + 0.05 * np.sin(ridge[:, 0] * 51)
    lower = np.stack([ridge[:, 0], np.maximum(ragged, ridge[:, 1])], axis=1)
    canvas.fill(np.concatenate([ridge, lower[::-1]]), gradient((252, 253, 255), (206, 218, 234)))


def wall(canvas: Canvas, hour: Hour) -> None:
    """Draw a plain wall."""
    canvas.tint = MOODS[hour].tint
    canvas.fill(box(0, 0, WIDTH, HEIGHT), gradient((236, 234, 228), (206, 204, 200)))
