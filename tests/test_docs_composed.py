"""The model card tells the story of `docs/results/composed.json`: unseen edits first, each number as measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unite_search.encoders.starter.encoder import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
CARD = (WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
METHODS = ("composed", "late_fusion", "image_only", "text_only")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "docs" / "results" / "composed.json").read_text(encoding="utf-8"))
    assert content["command"].startswith("python -m benchmarks composed ")
    return dict(content["results"])


@pytest.mark.parametrize("group", ["unseen", "seen"])
def test_a_table_of_the_model_card_is_the_committed_one(results: dict[str, Any], group: str) -> None:
    table = CARD.split(f"| {group} edit |")[1].split("\n\n")[0].splitlines()
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in (row.split("|") for row in table[2:])}
    recalls = results[group]["recall_at_1"]
    assert rows == {edit: [f"{recalls[name][edit]:.1f}" for name in METHODS] for edit in recalls["composed"]}
    assert f"(text weight {results[group]['late_fusion_text_weight']:.2f})" in table[0]


def test_the_unseen_edits_come_before_the_seen_ones_everywhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for text, unseen, seen in (
        (CARD, "| unseen edit |", "| seen edit |"),
        (page, "`unseen / recall_at_1 / composed / all`", "`seen / recall_at_1 / composed / all`"),
        (page, "| unseen: ", "| seen: "),
    ):
        assert 0 < text.index(unseen) < text.index(seen)
    assert "`unseen / recall_at_1 / composed / all`" in readme
    assert "`seen / recall_at_1" not in readme


def test_a_query_that_is_not_understood_is_no_worse_than_late_fusion(results: dict[str, Any]) -> None:
    """Two queries of three hundred may go either way: the encoder's text weight was not chosen on these queries."""
    recalls = results["unseen"]["recall_at_1"]
    assert recalls["composed"]["unruled"] >= recalls["late_fusion"]["unruled"] - 0.7
    for part in ("all", "formulas", "kinds"):
        assert recalls["composed"][part] > recalls["late_fusion"][part]


def test_the_card_says_what_edits_of_clips_find() -> None:
    path = ROOT / "docs" / "results" / "covr-miniature.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))["results"]["covr"]["metrics"]["available"]
    assert f"{metrics['R@1']['value']:.1f} % find their clip at once" in CARD
