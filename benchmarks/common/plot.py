"""Draw a log-log plot as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 40, 50
COLOURS = ("#8a5a2b", "#2f6f8f", "#2f7d3b", "#a33b4b", "#6a4c93", "#666666", "#c98f00")

Points = Sequence[tuple[float, float]]


def log_log(series: Mapping[str, Points], *, title: str, x_label: str, y_label: str) -> str:
    """Return the plot as SVG text.

    Args:
        series: (x, y) points of each line by its name, all above zero.
        title: title above the plot.
        x_label: label below the plot.
        y_label: label at its left.
    """
    x_range = _decades([x for points in series.values() for x, _ in points])
    y_range = _decades([y for points in series.values() for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = _share(x, x_range) * (WIDTH - LEFT - RIGHT)
        up = _share(y, y_range) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    parts = [_text(LEFT, TOP - 16, title, size=15)]
    for power in range(x_range[0], x_range[1] + 1):
        x, bottom = place(10.0**power, 10.0 ** y_range[0])
        parts += [_rule(x, TOP, x, bottom), _text(x, bottom + 18, _tick(power), anchor="middle")]
    for power in range(y_range[0], y_range[1] + 1):
        x, y = place(10.0 ** x_range[0], 10.0**power)
        parts += [_rule(x, y, WIDTH - RIGHT, y), _text(x - 8, y + 4, _tick(power), anchor="end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, anchor="middle"))
    parts.append(f'<g transform="rotate(-90)">{_text(-(TOP + HEIGHT - BOTTOM) / 2, 16, y_label, anchor="middle")}</g>')
    for number, (name, points) in enumerate(series.items()):
        parts += _line(name, [place(x, y) for x, y in points], COLOURS[number % len(COLOURS)], number)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _share(value: float, decades: tuple[int, int]) -> float:
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


def _tick(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"


def _line(name: str, places: Sequence[tuple[float, float]], colour: str, number: int) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in places)
    dots = [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in places]
    height = TOP + 14 + 20 * number
    legend = f'<rect x="{WIDTH - RIGHT + 16}" y="{height - 9}" width="12" height="4" fill="{colour}"/>'
    label = _text(WIDTH - RIGHT + 34, height - 3, name)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, legend, label]


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="#dddddd"/>'


def _text(x: float, y: float, content: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="#333333">{escape(content)}</text>'
