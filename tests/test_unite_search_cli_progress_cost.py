from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unite_search.cli.progress import CostNote
from unite_search.report import Progress

COUNTING = SimpleNamespace(workload=SimpleNamespace(items=10, tokens=3000, padded_tokens=3150))


def run(encoder: Any, *moments: Progress) -> list[Progress]:
    seen: list[Progress] = []
    note = CostNote(lambda: encoder, seen.append)
    for moment in moments:
        note(moment)
    return seen


def at(remaining_s: float | None, *, scan_finished: bool = True) -> Progress:
    return Progress(
        stage="index", files_total=1200, files_done=200, scan_finished=scan_finished, remaining_s=remaining_s
    )


def test_a_long_run_is_priced_once(capsys: pytest.CaptureFixture[str]) -> None:
    moments = at(None), at(500.0, scan_finished=False), at(500.0), at(480.0)
    assert run(COUNTING, *moments) == list(moments)
    said = capsys.readouterr().err
    assert said.count("files left") == 1
    assert "1,000 files left" in said
    assert "300 tokens an item, 5% of padding" in said


def test_a_short_run_or_an_encoder_that_does_not_count_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    run(COUNTING, at(5.0))
    run(SimpleNamespace(workload=None), at(500.0))
    run(SimpleNamespace(workload=SimpleNamespace(items=0)), at(500.0))
    assert capsys.readouterr().err == ""
