"""Write `docs/results.md` from the JSON that evaluations left in `docs/results/`; a test compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
METRICS = ("R@1", "R@5", "R@10", "R@50", "nDCG@10", "median rank")
SETS = {"captions": "Captions to photos and clips", "covr-miniature": "WebVid-CoVR's rules on 77 clips"}
INTRODUCTION = """# Results

Made by `python docs/results.py` from `docs/results/*.json`; what the columns mean is in [benchmarks.md](benchmarks.md).
In brackets the 95 % interval of a bootstrap over queries. Ties count against the encoder.
"""
PUBLISHED = """## Published numbers

R@1 on the public WebVid-CoVR test set, as the papers give it: UNITE 7B 72.5, UNITE 2B 69.1, CoVR-2 59.8. We have not
run that set: its clips and the weights are not on the machine that measured the rest. The miniature above has another
gallery, so its numbers must not be put beside these.
"""


def page() -> str:
    """The page, a table for each file of evaluations that is there."""
    parts = [INTRODUCTION]
    for name, title in SETS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(_section(title, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join([*parts, PUBLISHED])


def _section(title: str, content: dict[str, Any]) -> str:
    runs: dict[str, Any] = content["results"]
    lines = [f"## {title}", ""]
    encoders = sorted({f"{one['encoder']['name']} (`{one['encoder']['fingerprint']}`)" for one in runs.values()})
    lines += [f"{', '.join(encoders)}; commit {content['commit']}, {content['date']}.", ""]
    lines += [f"| | queries | candidates | {' | '.join(METRICS)} |", "|---|" + "---|" * (len(METRICS) + 2)]
    for name, one in runs.items():
        lines.append(_row(name, one["metrics"]["available"], one["coverage"]))
        if "rescored" in one:
            again = [f"{one['rescored'][metric]:.1f}" if metric in one["rescored"] else "" for metric in METRICS]
            lines.append(f"| the same, by trec_eval | | | {' | '.join(again)} |")
    return "\n".join([*lines, ""])


def _row(name: str, numbers: dict[str, Any], coverage: dict[str, Any]) -> str:
    cells = [_cell(numbers[metric]) for metric in METRICS]
    there = f"{coverage['candidates_there']:,} of {coverage['candidates']:,}"
    return f"| {name} | {numbers['queries']:,} of {coverage['queries']:,} | {there} | {' | '.join(cells)} |"


def _cell(number: dict[str, float]) -> str:
    return f"{number['value']:.1f} [{number['low']:.1f}, {number['high']:.1f}]"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
