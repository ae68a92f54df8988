"""The answers that `docs/quickstart.md` shows are those that its own steps give."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.demo.library import write_library
from unite_search.home import HOME_VARIABLE
from unite_search.storage.metadata import COLLECTION_VARIABLE

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "quickstart.md").read_text(encoding="utf-8")
ROW = re.compile(r"^ (\d+) +(-?\d+\.\d+) +(\S+)", re.MULTILINE)
TOLERANCE = 0.05
"""Scores differ a little between processors."""


def rows(text: str) -> list[tuple[str, float, str]]:
    return [(rank, float(score), name) for rank, score, name in ROW.findall(text)]


@pytest.mark.slow
def test_the_answers_are_those_of_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(COLLECTION_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    write_library(tmp_path / "library")
    assert run(app, ["index", "library"]) == 0
    assert capfd.readouterr().out.split(" in ")[0] in PAGE
    shown = [block for block in PAGE.split("```")[1::2] if rows(block)]
    asked = [line for line in PAGE.splitlines() if line.startswith("unite-search query ")]
    assert (len(shown), len(asked)) == (2, 5)
    for line, block in zip((asked[2], asked[4]), shown, strict=True):
        expected = rows(block)
        words = shlex.split(line, comments=True)[1:]
        assert run(app, [*words, "--top-k", str(len(expected))]) == 0
        found = rows(capfd.readouterr().out)
        assert [(rank, name) for rank, _, name in found] == [(rank, name) for rank, _, name in expected]
        assert [score for _, score, _ in found] == pytest.approx([score for _, score, _ in expected], abs=TOLERANCE)
