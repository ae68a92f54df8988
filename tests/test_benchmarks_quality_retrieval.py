from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.retrieval import LABELS, label_precision, recall


def test_recall_counts_answers_at_or_above_the_right_one() -> None:
    scores = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.4, 0.4, 0.4]], np.float32)
    assert recall(scores) == {"recall_at_1": 33.3, "recall_at_5": 100.0, "recall_at_10": 100.0}


def test_recall_of_random_scores_is_chance() -> None:
    found = recall(np.random.default_rng(0).random((1000, 1000)).astype(np.float32))
    assert found["recall_at_10"] == pytest.approx(1.0, abs=1.0)


def test_label_precision_counts_relevant_among_the_first_five() -> None:
    scores = np.array([[9, 8, 7, 6, 5, 4, 3]], np.float32)
    relevant = np.array([[True, False, True, False, False, True, True]])
    assert label_precision(scores, relevant) == [40.0]


def test_labels_are_forty_different_words() -> None:
    assert len(set(LABELS)) == len(LABELS) == 40
