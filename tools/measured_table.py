"""Write the table of measurements of `docs/results.md` from the committed results."""

from __future__ import annotations

import json
import re
from functools import reduce
from pathlib import Path

from tools.measured_row import Row
from tools.measured_rows import GROUPS

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
_BOUND = re.compile(r"^([≥≤]) (-?[0-9.]+)")
HEAD = ("| what | target | reached | from |", "|---|---|---|---|")


def measured() -> str:
    """Return the section, with a table for each group."""
    lines = [
        "## Measured",
        "",
        "On two shared cores without a GPU. Each row names the file under `docs/results` that holds the number and the "
        "command that made it.",
    ]
    for title, rows in GROUPS.items():
        lines += ["", f"### {title}", "", *HEAD, *map(_line, rows)]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    content = json.loads((RESULTS / f"{row.file}.json").read_text(encoding="utf-8"))["results"]
    value = float(reduce(lambda inner, key: inner[key], row.key.split(" / "), content))
    target = row.target or "-"
    if is_missed(row.target, value):
        target += " (missed)"
    return f"| {row.what} | {target} | {row.shown.format(value)} | `{row.file}.json` `{row.key}` |"


def is_missed(target: str, value: float) -> bool:
    """Return whether a target that begins with `≥` or `≤` and a number was missed."""
    bound = _BOUND.match(target)
    if bound is None:
        return False
    wanted = float(bound[2])
    return value < wanted if bound[1] == "≥" else value > wanted
