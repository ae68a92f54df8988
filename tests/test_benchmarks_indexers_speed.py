"""The benchmark of speed at a size where it takes seconds, and the page that is made from the committed numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.clustered import Clustered
from benchmarks.common.results import RESULTS, merge_result
from benchmarks.indexers import speed
from tools import speed_tables

ROOT = Path(__file__).resolve().parents[1]


def test_changes_are_measured_on_an_index_that_answers_rightly(tmp_path: Path) -> None:
    speed.main(["changes", "--rows", "3000", "--dim", "32", "--cache", str(tmp_path / "kept"), "--out", str(tmp_path)])
    result = json.loads((tmp_path / "speed-changes.json").read_text())["results"]["3000x32"]
    assert result["changes"]["found_at_once"] == 1
    assert result["changes"]["deleted_found"] == 0
    assert result["churn"]["recall"] > 0.95
    assert result["changes"]["upserts"] == result["changes"]["deletes"] == 300
    kept = speed.make_data(3000, 32, tmp_path / "kept")
    assert np.array_equal(kept.truth, np.argsort(-(kept.queries @ kept.rows.T), axis=1)[:, : speed.TOP])
    assert len(kept.opened(kept.cells, kept.place(kept.cells)).ids(speed.NAME)) == 3000


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        speed.main(["serch"])
    assert "no part serch" in capsys.readouterr().err


def test_a_size_is_stored_beside_the_others(tmp_path: Path) -> None:
    merge_result("speed-x", "10x2", {"ms": 1}, tmp_path)
    merge_result("speed-x", "20x2", {"ms": 2}, tmp_path)
    merge_result("speed-x", "10x2", {"ms": 3}, tmp_path)
    results = json.loads((tmp_path / "speed-x.json").read_text())["results"]
    assert {size: result["ms"] for size, result in results.items()} == {"10x2": 3, "20x2": 2}
    assert all(result["command"].startswith("python -m benchmarks") for result in results.values())


def test_results_are_written_where_the_committed_ones_are() -> None:
    assert RESULTS == ROOT / "docs" / "results"


def test_what_was_asked_stands_with_what_was_reached() -> None:
    assert speed.at_most(0.2, 0.20001) == {"asked": "<= 0.2", "reached": 0.2, "holds": True}
    assert not speed.at_most(0.2, 0.21)["holds"]
    assert not speed.at_least(0.99, 0.98)["holds"]


def test_rows_are_unit_length_repeatable_and_clustered() -> None:
    source = Clustered(128)
    rows, again, others = source.draw(2000, seed=1), source.draw(2000, seed=1), source.draw(50, seed=2)
    assert np.array_equal(rows, again)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    scores = others @ rows.T
    noise = np.random.default_rng(0).normal(size=rows.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    assert scores.max(axis=1).mean() > (others @ noise.T).max(axis=1).mean() + 0.1


@pytest.mark.parametrize("path", [speed_tables.PAGE, speed_tables.PLOT], ids=lambda path: path.name)
def test_the_page_is_made_from_the_committed_numbers(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    head = content.partition(speed_tables.HEADING)[0]
    made = speed_tables.plot() if path == speed_tables.PLOT else speed_tables.page(head)
    assert made == content, "run `make docs`"
