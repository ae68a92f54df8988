"""A canvas with antialiased, softly lit shapes.

Positions are in quarters of the width: x from 0 to 4, y from 0 at the top to 3. A shape is an (N, 2) array of corners;
a paint maps positions within the shape to colours. Everything is drawn larger and reduced at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[float, float, float]
Points = NDArray[np.float64]
Paint = Callable[[Points, Points], Points]

WIDTH, HEIGHT = 4.0, 3.0
WHITE: Colour = (250, 249, 246)
BLACK: Colour = (28, 28, 32)
LIGHT = np.array([0.34, 0.28])
DAYLIGHT: Colour = (1.0, 1.0, 1.0)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Return a mix of two colours; `share` 0 is the first, 1 the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def flat(colour: Colour) -> Paint:
    """Return a paint of one colour."""
    return lambda x, y: np.zeros((*x.shape, 3)) + colour


def gradient(top: Colour, bottom: Colour, *, across: bool = False) -> Paint:
    """Return a paint that changes from top to bottom, or from left to right."""

    def paint(x: Points, y: Points) -> Points:
        share = (x if across else y)[..., None]
        colours: Points = np.array(top) + np.subtract(bottom, top) * share
        return colours

    return paint


def lit(colour: Colour, *, gloss: float = 0.45, shade: float = 0.55) -> Paint:
    """Return the paint of a round body lit from the upper left: highlight, colour, darker rim."""

    def paint(x: Points, y: Points) -> Points:
        away = np.hypot(x - LIGHT[0], y - LIGHT[1])
        body = np.array(colour) * (1 - shade * np.clip(away / 0.85, 0, 1) ** 2)[..., None]
        shine = (gloss * np.exp(-((away / 0.22) ** 2)))[..., None]
        colours: Points = body + (255 - body) * shine
        return colours

    return paint


def tube(colour: Colour, *, shade: float = 0.45) -> Paint:
    """Return the paint of an upright round body, such as a tower: lit a third from the left, dark at both edges."""

    def paint(x: Points, y: Points) -> Points:
        colours: Points = np.array(colour) * (1.08 - shade * np.abs(x - 0.36) ** 1.4 / 0.5)[..., None]
        return colours

    return paint


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> Points:
    """Return an ellipse around (x, y), turned clockwise by `turn` degrees."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    corners = np.stack([rx * np.cos(angle), (rx if ry is None else ry) * np.sin(angle)], axis=1)
    result: Points = turned(corners, turn) + np.array([x, y])
    return result


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Points:
    """Return a rectangle with rounded corners."""
    quarter = np.linspace(0, np.pi / 2, 12)
    arc = np.stack([np.cos(quarter), np.sin(quarter)], axis=1) * radius
    centres = (
        (right - radius, bottom - radius),
        (left + radius, bottom - radius),
        (left + radius, top + radius),
        (right - radius, top + radius),
    )
    return np.concatenate([turned(arc, 90 * number) + centre for number, centre in enumerate(centres)])


def smooth(corners: Sequence[tuple[float, float]], steps: int = 14) -> Points:
    """Return a closed curve through the corners (Catmull-Rom)."""
    points = np.array(corners, dtype=float)
    before, start, end, after = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    cubic = (3 * (start - end) + after - before) * t + 2 * before - 5 * start + 4 * end - after
    curve: Points = start + 0.5 * t * (end - before + t * cubic)
    return curve.reshape(-1, 2)


def turned(points: Points, degrees: float) -> Points:
    """Return points turned clockwise around the origin."""
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    result: Points = points @ matrix
    return result


class Canvas:
    """A picture being drawn; `tint`, the light of the time of day, is multiplied into every paint."""

    def __init__(self, width: int = 480, *, oversample: int = 3) -> None:
        self._oversample = oversample
        self._unit = width * oversample / WIDTH
        self._image = Image.new("RGB", (width * oversample, width * 3 // 4 * oversample), "white")
        self.tint = DAYLIGHT

    def copy(self) -> Canvas:
        """Return an independent copy of this canvas."""
        other = Canvas.__new__(Canvas)
        other.__dict__.update(self.__dict__)
        other._image = self._image.copy()
        return other

    def fill(self, shape: Points, paint: Paint, *, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Paint a shape; `blur` softens its edge."""
        corners = shape * self._unit
        self._apply(corners, paint, opacity, blur, lambda pen, moved: pen.polygon(moved, fill=255))

    def stroke(self, path: Points, width: float, paint: Paint, *, opacity: float = 1.0) -> None:
        """Paint along an open path with round ends."""
        thickness = max(1, round(width * self._unit))

        def draw(pen: ImageDraw.ImageDraw, moved: list[tuple[float, float]]) -> None:
            pen.line(moved, fill=255, width=thickness, joint="curve")
            for x, y in (moved[0], moved[-1]):
                half = thickness / 2
                pen.ellipse((x - half, y - half, x + half, y + half), fill=255)

        self._apply(path * self._unit, paint, opacity, 0.0, draw, margin=thickness)

    def shadow(self, x: float, y: float, rx: float, ry: float, strength: float = 0.45) -> None:
        """Paint a soft shadow on the ground."""
        self.fill(ellipse(x, y, rx, ry), flat((20, 18, 30)), opacity=strength, blur=ry * 0.6)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """Paint the light around a lamp, the sun or the moon, which the tint does not dim."""
        scale = self._unit
        area = self._clipped(np.array([[x - radius, y - radius], [x + radius, y + radius]]) * scale, 0)
        if area is None:
            return
        columns, rows = np.meshgrid(np.arange(area[0], area[2]) / scale - x, np.arange(area[1], area[3]) / scale - y)
        share = np.clip(1 - np.hypot(columns, rows) / radius, 0, 1)[..., None] ** 2 * strength
        under = np.asarray(self._image.crop(area), dtype=float)
        self._image.paste(_to_image(under + (np.array(colour) - under) * share), area[:2])

    def finish(self, *, grain: float = 0.0, seed: int = 0) -> Image.Image:
        """Return the picture at its final size, with film grain of standard deviation `grain`."""
        picture = self._image.reduce(self._oversample)
        if not grain:
            return picture
        noise = np.random.default_rng(seed).normal(0, grain, (picture.height, picture.width, 1))
        return _to_image(np.asarray(picture, dtype=float) + noise)

    def _apply(
        self,
        corners: Points,
        paint: Paint,
        opacity: float,
        blur: float,
        draw: Callable[[ImageDraw.ImageDraw, list[tuple[float, float]]], None],
        *,
        margin: float = 2.0,
    ) -> None:
        area = self._clipped(corners, margin + 3 * blur * self._unit)
        if area is None:
            return
        mask = Image.new("L", (area[2] - area[0], area[3] - area[1]))
        draw(ImageDraw.Draw(mask), [(x - area[0], y - area[1]) for x, y in corners])
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self._unit))
        if opacity < 1:
            mask = mask.point(lambda value: value * opacity)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        x = (np.arange(area[0], area[2]) - left) / max(right - left, 1)
        y = (np.arange(area[1], area[3]) - top) / max(bottom - top, 1)
        colours = paint(*np.meshgrid(np.clip(x, 0, 1), np.clip(y, 0, 1))) * np.array(self.tint)
        self._image.paste(_to_image(colours), area[:2], mask)

    def _clipped(self, corners: Points, margin: float) -> tuple[int, int, int, int] | None:
        """Return the area of pixels that a shape may touch; None if it lies outside the canvas."""
        left, top = np.floor(corners.min(axis=0) - margin).astype(int)
        right, bottom = np.ceil(corners.max(axis=0) + margin).astype(int)
        area = (
            max(int(left), 0),
            max(int(top), 0),
            min(int(right), self._image.width),
            min(int(bottom), self._image.height),
        )
        return area if area[0] < area[2] and area[1] < area[3] else None


def _to_image(colours: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
