"""The README and the page of results: the code runs, the commands exist, the numbers are those of committed results."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
from PIL import Image

from tools.measured_table import is_missed

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS_PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
RESULTS = ROOT / "docs" / "results"
FROM = r"\| `(?P<file>[a-z-]+\.json)` `(?P<key>[^`]+)` \|$"
ROW = re.compile(r"^\|(?P<what>[^|]+)\|(?P<target>[^|]+)\|(?P<reached>[^|]+)" + FROM, re.M)
SHORT_ROW = re.compile(r"^\|(?P<what>[^|]+)\|(?P<reached>[^|]+)" + FROM, re.M)
README_NUMBERS = [match.groupdict() for match in SHORT_ROW.finditer(README)]
NUMBERS = [match.groupdict() for match in ROW.finditer(RESULTS_PAGE)]

pytestmark = pytest.mark.base


def test_the_python_example_runs_and_prints_hits(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (240, 200 + number), colour).save(tmp_path / "photos" / f"{colour}.jpg")
    Image.new("RGB", (300, 200), "navy").save(tmp_path / "photos" / "boat.jpg")
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(f"if __name__ == '__main__':\n{_indented(example)}")
    run = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "5 files, 0 could not be read"
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4"]
    assert "boat.jpg" not in run.stdout


def test_every_command_stands_in_the_readme() -> None:
    help_text = subprocess.run(
        [sys.executable, "-c", "from unite_search.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = set(re.findall(r"^│ ([a-z]+) {2,}", help_text, re.MULTILINE))
    assert {"index", "query", "verify"} <= commands
    assert {name for name in commands if name not in README} == set()


def test_the_page_of_results_has_numbers_and_each_row_names_its_source() -> None:
    table = RESULTS_PAGE.split("## Measured")[1].split("\n## ")[0]
    rows = [
        line for line in table.splitlines() if line.startswith("|") and "---" not in line and "| target |" not in line
    ]
    assert len(rows) == len(ROW.findall(table)) == len(NUMBERS) > 50


def test_the_readme_has_five_numbers_and_each_row_names_its_source() -> None:
    table = README.split("## Measured")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) - len(["the head", "the line below it"]) == len(SHORT_ROW.findall(table)) == 5


@pytest.mark.parametrize("row", [*NUMBERS, *README_NUMBERS], ids=lambda row: row["what"].strip())
def test_a_number_is_the_committed_one(row: dict[str, str]) -> None:
    content = json.loads((RESULTS / row["file"]).read_text(encoding="utf-8"))
    value = reduce(lambda inner, key: inner[key], row["key"].split(" / "), content["results"])
    shown = row["reached"].split()[0]
    digits = len(shown.partition(".")[2])
    assert f"{value:.{digits}f}" == shown
    assert content["command"].startswith(("python -m benchmarks ", "python -m train."))


def test_the_sizes_of_installations_are_the_committed_ones() -> None:
    measured = json.loads((RESULTS / "install.json").read_text(encoding="utf-8"))["results"]
    sizes = {extras: found["mb"] for extras, found in measured["extras"].items()}
    table = dict(re.findall(r"^\| `\[([a-z,]+)\]` \|[^|]*\| ([\d,]+) MB \|$", README, re.MULTILINE))
    assert {extras: int(size.replace(",", "")) for extras, size in table.items()} == sizes
    smaller = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").split("### A smaller installation")[1]
    said = re.findall(r"(?<!\S)(\d+) MB", smaller.split("###")[0])
    assert {int(size) for size in said} == {
        sizes["cpu"],
        measured["smaller"]["mb"],
        *measured["smaller"]["saved_mb"].values(),
    }
    said = re.findall(r"(\d+) MB", README.split("The largest packages")[1].split("\n\n")[0])
    assert {int(size) for size in said} == {sizes["cpu"], measured["smaller"]["mb"], *measured["largest_mb"].values()}


@pytest.mark.parametrize(
    ("target", "value", "missed"),
    [
        ("≥ 70 %", 68.3, True),
        ("≥ 70 %", 70.0, False),
        ("≤ 0.35 s", 0.36, True),
        ("≤ 1.5", 1.5, False),
        ("flat", 9, False),
    ],
)
def test_a_missed_target_is_said_to_be_missed(target: str, value: float, missed: bool) -> None:
    assert is_missed(target, value) is missed


def test_every_target_that_the_page_misses_is_marked() -> None:
    bounds = {"≥": float.__ge__, "≤": float.__le__}
    for row in NUMBERS:
        sign, _, wanted = row["target"].strip().partition(" ")
        if sign in bounds:
            is_met = bounds[sign](float(row["reached"].split()[0]), float(wanted.split()[0].rstrip(",")))
            assert is_met is ("(missed)" not in row["target"]), row["what"]


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())
