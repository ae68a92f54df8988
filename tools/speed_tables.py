"""Write the tables of `docs/explanation/index-kinds.md` and its plot from `docs/results/speed-*.json`.

The tables follow the heading `## Measured`. Run by `make docs`; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "explanation" / "index-kinds.md"
PLOT = ROOT / "docs" / "images" / "scaling.svg"
HEADING = "## Measured\n"
PARTS = ("search", "build", "files", "changes", "filters", "peers")
FILTER_COLUMNS = ("ours", "gather", "select", "widen")
COLOURS = ("#1b6ca8", "#7a9e3b", "#d08a1e", "#a63d57")
FEWEST_ROWS_ASKED = 100_000
WIDTH, HEIGHT, MARGIN = 640, 400, 60
LEGEND_WIDTH = 120
INTRODUCTION = """
`make docs` writes the rest of this page from `docs/results/speed-*.json`, which `python -m benchmarks speed` writes.
The rows are drawn from clusters of clusters and are as hard to search as real captions. Milliseconds are wall time per
query, the median of five rounds; a single query runs on one thread, a batch on all threads.

"""


def page(head: str) -> str:
    """Return the whole page; `head` is the text before the heading."""
    results = {part: json.loads((RESULTS / f"speed-{part}.json").read_text(encoding="utf-8")) for part in PARTS}
    measured = {part: dict(sorted(content["results"].items(), key=_order)) for part, content in results.items()}
    machine = results["search"]["machine"]
    lines = [f"Machine: {machine['cpu']}, {machine['cores']} cores, shared.", "", *_asked(measured)]
    for size, content in measured["search"].items():
        lines += ["", f"### Kinds, {_size(size)}", "", *_kinds(content)]
    lines += ["", "![Time of a query by the number of rows](../images/scaling.svg)"]
    for size, content in measured["peers"].items():
        lines += ["", f"### Others, {_size(size)}", "", *_peers(content)]
    for size, content in measured["filters"].items():
        lines += ["", f"### Filters, {_size(size)}", "", *_filters(content)]
    return f"{head}{HEADING}{INTRODUCTION}{chr(10).join(lines)}\n"


def plot() -> str:
    """Plot milliseconds of a single query by rows, both on logarithmic axes, with a line for each kind."""
    measured = json.loads((RESULTS / "speed-search.json").read_text(encoding="utf-8"))["results"]
    lines: dict[str, list[tuple[int, float]]] = {}
    for size, content in measured.items():
        rows, dim = map(int, size.split("x"))
        for spec, row in content["kinds"].items() if dim == 384 else ():
            name = "IVF,int8" if spec.startswith("IVF") else spec
            lines.setdefault(name, []).append((rows, row["batch_1"]["ours_ms"]))
    points = np.log10(np.concatenate([np.array(line) for line in lines.values()]))
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    parts = [_axes(low, high)]
    for number, (name, line) in enumerate(lines.items()):
        placed = [_place(np.log10(point), low, high) for point in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        x, y = placed[-1]
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _place(point: Any, low: Any, high: Any) -> tuple[float, float]:
    across, up = (point - low) / (high - low)
    return MARGIN + across * (WIDTH - 2 * MARGIN - LEGEND_WIDTH + MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)


def _axes(low: Any, high: Any) -> str:
    parts = []
    for rows in range(int(low[0]), int(high[0]) + 1):
        x, bottom = _place(np.array([rows, low[1]]), low, high)
        _, top = _place(np.array([rows, high[1]]), low, high)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{10**rows:,}</text>')
    for power in range(int(low[1]), int(high[1]) + 1):
        left, y = _place(np.array([low[0], power]), low, high)
        right, _ = _place(np.array([high[0], power]), low, high)
        parts.append(f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>')
    parts.append(f'<text x="{MARGIN}" y="{HEIGHT - 12}">rows of 384 dimensions; one query, one thread</text>')
    return "\n".join(parts)


def _asked(measured: dict[str, Any]) -> list[str]:
    """Write a line for each check and a column for each size; filters have tables of their own."""
    sizes = [size for size in measured["search"] if int(size.partition("x")[0]) >= FEWEST_ROWS_ASKED]
    table: dict[tuple[str, str], dict[str, str]] = {}
    for part in ("search", "build", "files", "changes"):
        for size, content in measured[part].items():
            for what, check in content["checks"].items():
                row = table.setdefault((f"{part}: {_without_cells(what)}", check["asked"]), {})
                row[size] = f"{check['reached']:g}" if check["holds"] else f"**{check['reached']:g}**"
    lines = [f"| | target | {' | '.join(map(_size, sizes))} |", "|---|---|" + "---|" * len(sizes)]
    lines += [
        f"| {what} | {asked} | {' | '.join(row.get(size, '') for size in sizes)} |"
        for (what, asked), row in table.items()
    ]
    return [*lines, "", "Targets that were missed are bold."]


def _kinds(content: dict[str, Any]) -> list[str]:
    lines = [
        "| kind | recall@10 | one query, ms | Faiss | in a batch of 64, ms | Faiss | times faster than a scan |",
        "|---|---|---|---|---|---|---|",
    ]
    for spec, row in content["kinds"].items():
        one, many = row["batch_1"], row["batch_64"]
        name = f"{spec} (default)" if spec == content["default"] else spec
        lines.append(
            f"| {name} | {row['recall']:.3f} | {one['ours_ms']:.3g} | {one['raw_faiss_ms']:.3g} | "
            f"{many['ours_ms']:.3g} | {many['raw_faiss_ms']:.3g} | {row['times_faster_than_float32_scan']:.3g} |"
        )
    return lines


def _peers(content: dict[str, Any]) -> list[str]:
    lines = ["| | setting | recall@10 | one query, ms | build, s |", "|---|---|---|---|---|"]
    measured = {name: row for name, row in content["peers"].items() if "skipped" not in row}
    for name, row in sorted(measured.items(), key=lambda item: item[1]["query_ms"]):
        lines.append(
            f"| {name} | {row['setting']} | {row['recall']:.3f} | {row['query_ms']:.3g} | {row['build_s']:g} |"
        )
    skipped = [f"{name} ({row['skipped']})" for name, row in content["peers"].items() if "skipped" in row]
    return [*lines, "", f"Left out: {', '.join(skipped)}."] if skipped else lines


def _filters(content: dict[str, Any]) -> list[str]:
    lines = [
        "| kind | allowed | ours, ms | gather | select | widen | by the best | recall@10 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for spec, shares in content["kinds"].items():
        for share, row in shares.items():
            times = " | ".join(f"{row[f'{name}_ms']:.3g}" for name in FILTER_COLUMNS)
            lines.append(f"| {spec} | {share} | {times} | {row['ratio_to_best']:.2f} | {row['recall']:.3f} |")
    return lines


def _order(entry: tuple[str, Any]) -> tuple[int, int]:
    rows, dim = map(int, entry[0].split("x"))
    return dim, rows


def _without_cells(what: str) -> str:
    return f"IVF,int8{what.partition(',int8')[2]}" if what.startswith("IVF") else what


def _size(size: str) -> str:
    rows, dim = map(int, size.split("x"))
    return f"{rows:,} x {dim}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8").partition(HEADING)[0]), encoding="utf-8")
    PLOT.write_text(plot(), encoding="utf-8")
