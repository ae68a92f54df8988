"""The check of calibrations: log-odds that are right by construction, or wrong; and the committed numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmarks.common.results import RESULTS
from benchmarks.quality.log_odds import ABSENT, NONSENSE, _weak, reliability
from unite_search.encoders.calibration import BUILT_IN, Calibration

COMMITTED: dict[str, Any] = json.loads((RESULTS / "calibration.json").read_text(encoding="utf-8"))["results"]


def drawn() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Log-odds at the prior 0.01 of pairs that are related as often as these say."""
    random = np.random.default_rng(0)
    values = random.normal(-6, 2.5, 600_000)
    is_related = random.random(len(values)) < 1 / (1 + np.exp(-values))
    moved = np.log(0.01 / 0.99) - np.log(is_related.mean() / (1 - is_related.mean()))
    return values[is_related] + moved, values[~is_related] + moved


def test_right_log_odds_are_observed_as_predicted() -> None:
    found = reliability(*drawn())
    assert all(abs(row["predicted"] - row["observed"]) < 0.2 for row in found["bins"] if row["related_pairs"] > 100)
    assert len(found["bins"]) >= 7
    assert found["expected_calibration_error"] < 0.0005
    assert found["brier"] < found["brier_of_the_prior_alone"] == 0.0099


def test_log_odds_that_are_too_large_are_noticed() -> None:
    related, unrelated = drawn()
    found = reliability(related + 2, unrelated + 2)
    gaps = [row["predicted"] - row["observed"] for row in found["bins"] if row["related_pairs"] > 100]
    assert gaps == pytest.approx([2] * len(gaps), abs=0.25)
    assert found["expected_calibration_error"] > 0.005


def test_brier_and_calibration_error_by_hand() -> None:
    found = reliability(np.array([1.0]), np.array([-1.0]))
    chance = 1 / (1 + np.exp(-1))
    assert found["brier"] == pytest.approx((1 - chance) ** 2, abs=1e-5)
    assert found["expected_calibration_error"] == pytest.approx(1 - chance, abs=1e-5)
    assert found["bins"] == []


def test_a_floor_of_one_half_is_tried_on_the_other() -> None:
    assert _weak(np.arange(10.0), np.arange(10), 10) == 0
    assert _weak(np.arange(10.0), np.arange(10)[::-1], 10) == 1


def test_the_lists_of_queries_have_no_doubles() -> None:
    assert (len(set(ABSENT)), len(set(NONSENSE))) == (60, 30)


def test_the_committed_calibration_keeps_what_was_asked_of_it() -> None:
    answers = COMMITTED["answers"]
    assert answers["auc_of_captions_against_absent"] >= 0.85
    assert answers["auc_of_captions_against_nonsense"] >= 0.97
    assert answers["right_items_below_the_floor"] <= 0.1
    assert all(pair["related_below_the_floor"] <= 0.1 for pair in COMMITTED["pairs"].values())
    built_in = Calibration.read(BUILT_IN["starter"])
    assert (COMMITTED["measured_on"], answers["floor"]) == (built_in.origin, built_in.floor("text", "image"))
