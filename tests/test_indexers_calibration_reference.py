"""The calibrated merge against a second writing of its formula, in which every constant is a literal number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from indexers import calibration as module
from indexers.calibration import RankedList, calibrate, merge


def ranked(name: str, scores: NDArray[np.float64], sample: NDArray[np.float64], size: int, start: int) -> RankedList:
    return RankedList(
        name=name,
        ids=np.arange(start, start + len(scores)),
        scores=scores.astype(np.float32),
        sample_scores=sample.astype(np.float32),
        size=size,
    )


def by_the_text(lists: list[RankedList]) -> list[list[float]]:
    """Calibrated scores of each list, one item after the other, from the description in the module's docstring."""
    samples = [[float(score) for score in one.sample_scores] for one in lists]
    own_means = [sum(sample) / len(sample) for sample in samples]
    own_variances = [
        sum((score - mean) ** 2 for score in sample) / len(sample)
        for sample, mean in zip(samples, own_means, strict=True)
    ]
    everything = sum(map(len, samples))
    common_mean, common_variance = (
        sum(len(sample) * own for sample, own in zip(samples, values, strict=True)) / everything
        for values in (own_means, own_variances)
    )
    calibrated = []
    for one, sample, own_mean, own_variance in zip(lists, samples, own_means, own_variances, strict=True):
        mean = (len(sample) * own_mean + 8 * common_mean) / (len(sample) + 8)
        spread = max(math.sqrt((len(sample) * own_variance + 8 * common_variance) / (len(sample) + 8)), 0.001)
        logits = [(float(score) - mean) / spread / 0.5 for score in one.scores]
        head = logits[:100]
        total = sum(map(math.exp, head)) + 8 * math.exp(2.0)
        if one.size > len(head):
            below = [math.exp((score - mean) / spread / 0.5) for score in sample]
            below = [term for term in below if math.log(term) < head[-1]]
            typical = sum(below) / len(below) if below else math.exp(head[-1])
            total += (one.size - len(head)) * typical
        calibrated.append([logit - math.log(total / (one.size + 8)) for logit in logits])
    return calibrated


def drawn(seed: int) -> list[RankedList]:
    """Three partitions: known whole; of more items than the list holds, longer than 100; and few items that differ."""
    rng = np.random.default_rng(seed)
    small = np.sort(rng.normal(0.3, 0.1, 30))[::-1]
    large = np.sort(rng.normal(0.1, 0.2, 5000))[::-1]
    tiny = np.sort(rng.normal(0.7, 0.05, 3))[::-1]
    return [
        ranked("text", small, small, 30, 0),
        ranked("image", large[:250], large[::10], 5000, 1000),
        ranked("video", tiny[:2], tiny, 3, 9000),
    ]


def test_tuned_constants() -> None:
    """Temperature and prior were chosen on captions of train photos, see docs/explanation/scores.md; the head is as
    long as a first search; 2 = 1 / (2 * 0.5²) is the logarithm of a standard normal's mean exponential at that
    temperature.
    """
    assert (module.HEAD, module.TEMPERATURE, module.PRIOR_ITEMS) == (100, 0.5, 8)
    assert (module.PRIOR_LOG_MEAN_EXP, module.SMALLEST_SPREAD) == (2.0, 0.001)


@pytest.mark.parametrize("seed", range(3))
def test_calibrated_scores_are_those_of_the_description(seed: int) -> None:
    lists = drawn(seed)
    for found, expected in zip(calibrate(lists), by_the_text(lists), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("k", [1, 7, 50, 282, 400])
def test_the_merged_list_is_the_sorted_union(k: int) -> None:
    lists = drawn(5)
    union = [
        (score, int(id_), one.name, float(cosine))
        for one, scores in zip(lists, by_the_text(lists), strict=True)
        for score, id_, cosine in zip(scores, one.ids, one.scores, strict=True)
    ]
    expected = sorted(union, key=lambda entry: -entry[0])[:k]
    merged = merge(lists, k)
    assert merged.ids.tolist() == [id_ for _, id_, _, _ in expected]
    assert merged.names == tuple(name for _, _, name, _ in expected)
    assert merged.scores == pytest.approx([score for score, *_ in expected], abs=1e-5)
    assert merged.cosines.tolist() == [cosine for *_, cosine in expected]


def test_a_sample_without_anything_below_the_list_counts_its_last_item_for_the_rest() -> None:
    lists = [ranked("image", np.array([0.5, 0.4, 0.3]), np.array([0.5, 0.4, 0.3]), 40, 0)]
    assert calibrate(lists)[0] == pytest.approx(by_the_text(lists)[0], abs=1e-6)


def test_equal_scores_everywhere_are_not_divided_by_nothing() -> None:
    lists = [
        ranked("image", np.full(4, 0.25), np.full(4, 0.25), 4, 0),
        ranked("text", np.full(2, 0.25), np.full(2, 0.25), 2, 9),
    ]
    for found, expected in zip(calibrate(lists), by_the_text(lists), strict=True):
        assert found == pytest.approx(expected, abs=1e-9)
    assert merge(lists, 10).ids.tolist() == [0, 1, 2, 3, 9, 10]


def test_equal_scores_keep_the_order_of_the_lists() -> None:
    """Two partitions of the same scores: the first given comes first at every place."""
    scores = np.array([0.9, 0.5, 0.1])
    merged = merge([ranked("text", scores, scores, 3, 10), ranked("image", scores, scores, 3, 0)], 6)
    assert merged.ids.tolist() == [10, 0, 11, 1, 12, 2]


def test_nothing_merges_to_nothing_of_the_right_types() -> None:
    for lists in ([], [ranked("image", np.empty(0), np.empty(0), 0, 0)]):
        merged = merge(lists, 5)
        assert (merged.ids.tolist(), merged.names, merged.scores.tolist(), merged.cosines.tolist()) == ([], (), [], [])
        assert [str(part.dtype) for part in (merged.ids, merged.scores, merged.cosines)] == [
            "int64",
            "float64",
            "float32",
        ]
