"""The calibrated merge: by hand on small lists, and its promises as properties."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexers.calibration import HEAD, PRIOR_ITEMS, TEMPERATURE, RankedList, calibrate, merge


def ranked(name: str, scores: list[float], sample: np.ndarray, start: int = 0) -> RankedList:
    ordered = np.sort(np.array(scores, np.float32))[::-1]
    ids = np.arange(start, start + len(scores))
    return RankedList(
        name=name, ids=ids, scores=ordered, sample_scores=np.asarray(sample, np.float32), size=max(len(scores), 1)
    )


def by_formula(all_scores: np.ndarray) -> np.ndarray:
    """The module's formula for a partition that is known whole, and is the only one."""
    logits = (all_scores - all_scores.mean()) / all_scores.std() / TEMPERATURE
    total = np.exp(logits).sum() + PRIOR_ITEMS * np.exp(0.5 / TEMPERATURE**2)
    return np.asarray(logits - np.log(total / (len(logits) + PRIOR_ITEMS)))


def test_a_partition_known_whole_follows_the_formula() -> None:
    scores = np.random.default_rng(0).normal(0.2, 0.1, 60).astype(np.float32)
    (calibrated,) = calibrate([ranked("image", scores.tolist(), scores)])
    assert np.allclose(calibrated, by_formula(np.sort(scores)[::-1]), atol=1e-4)


def test_a_large_partition_is_estimated_from_head_and_sample() -> None:
    scores = np.sort(np.random.default_rng(0).normal(0.2, 0.1, 50_000).astype(np.float32))[::-1]
    known = RankedList(
        name="image", ids=np.arange(HEAD), scores=scores[:HEAD], sample_scores=scores[::100], size=len(scores)
    )
    (calibrated,) = calibrate([known])
    assert np.allclose(calibrated, by_formula(scores)[:HEAD], atol=0.15)


def test_means_and_spreads_are_drawn_towards_the_common_ones_by_hand() -> None:
    first, second = np.array([0.1, 0.3]), np.array([0.6, 0.6, 0.6, 0.6])
    scores, _ = calibrate([ranked("a", [0.3, 0.1], first), ranked("b", [0.6], second)])
    mean = (2 * 0.2 + PRIOR_ITEMS * (0.1 + 0.3 + 4 * 0.6) / 6) / (2 + PRIOR_ITEMS)
    variance = (2 * 0.01 + PRIOR_ITEMS * (2 * 0.01 / 6)) / (2 + PRIOR_ITEMS)
    logits = (np.array([0.3, 0.1]) - mean) / np.sqrt(variance) / TEMPERATURE
    total = np.exp(logits).sum() + PRIOR_ITEMS * np.exp(0.5 / TEMPERATURE**2)
    assert np.allclose(scores, logits - np.log(total / (2 + PRIOR_ITEMS)), atol=1e-4)


def test_one_clear_answer_pushes_down_the_rest_of_its_partition() -> None:
    rng = np.random.default_rng(0)
    texts = np.sort(0.6 + 0.05 * rng.normal(size=200))[::-1]
    images = np.sort(0.1 + 0.05 * rng.normal(size=200))[::-1]
    texts[0] = 0.95
    lists = [ranked("text", texts.tolist(), texts, start=1000), ranked("image", images.tolist(), images)]
    names = merge(lists, 10).names
    assert names[0] == "text"
    assert names.count("image") > 5


def test_a_partition_that_scores_high_throughout_does_not_push_the_right_picture_out() -> None:
    rng = np.random.default_rng(0)
    texts = ranked("text", sorted(0.6 + 0.05 * rng.normal(size=10)), 0.6 + 0.05 * rng.normal(size=500), start=100)
    images = ranked("image", [0.45, 0.1], 0.1 + 0.05 * rng.normal(size=500))
    merged = merge([texts, images], 3)
    assert merged.ids[0] == 0
    assert merged.names[0] == "image"
    assert merged.cosines[0] < merged.cosines[1]


def test_one_lonely_item_that_does_not_match_stays_below_a_good_picture() -> None:
    images = ranked("image", [0.45, 0.1], 0.1 + 0.05 * np.random.default_rng(0).normal(size=500))
    lonely = ranked("text", [0.2], np.array([0.2]), start=100)
    assert merge([lonely, images], 2).ids.tolist() == [0, 100]


def test_nothing_merges_to_nothing() -> None:
    assert merge([], 5).ids.tolist() == []
    assert merge([ranked("image", [], np.empty(0))], 5).names == ()


samples = arrays(np.float32, st.integers(1, 30), elements=st.floats(-1, 1, width=32))
score_lists = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12)


@given(lists=st.lists(st.tuples(score_lists, samples), min_size=1, max_size=4), k=st.integers(1, 30))
def test_the_order_inside_a_partition_is_kept_and_scores_are_finite(
    lists: list[tuple[list[float], np.ndarray]], k: int
) -> None:
    given_lists = [ranked(str(n), scores, sample, start=100 * n) for n, (scores, sample) in enumerate(lists)]
    merged = merge(given_lists, k)
    assert len(merged.ids) == min(k, sum(len(entry.ids) for entry in given_lists))
    assert np.isfinite(merged.scores).all()
    assert (np.diff(merged.scores) <= 0).all()
    for entry in given_lists:
        kept = [id_ for id_, name in zip(merged.ids.tolist(), merged.names, strict=True) if name == entry.name]
        assert kept == entry.ids[: len(kept)].tolist()
