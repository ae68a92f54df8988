"""Encoders that share towers say what they say alone; means and ranks by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.encoders.starter_seeds import _own_rank, _share_towers, summary
from unite_search.content import Content, Image, Part
from unite_search.encoders.starter.encoder import StarterEncoder


def test_shared_towers_change_nothing() -> None:
    rng = np.random.default_rng(0)
    pictures = [Image(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)) for _ in range(3)]
    parts: list[Part] = [*pictures, "a dog", "snow", pictures[0], "a dog"]
    contents = [Content((part,)) for part in parts]
    expected = StarterEncoder().encode(contents, role="query")
    encoders = [StarterEncoder(), StarterEncoder()]
    _share_towers(encoders)
    for encoder in encoders:
        found = encoder.encode(contents, role="query")
        assert (found * expected).sum(axis=1).min() > 0.9999
        np.testing.assert_allclose(encoder.encode(contents[::-1], role="query"), found[::-1], atol=1e-6)


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summary([{"a": 1.0}, {"a": 3.0}]) == {"mean": {"a": 2.0}, "std": {"a": 1.41}}


def test_each_row_is_ranked_by_the_column_that_is_its_own() -> None:
    scores = np.array([[3, 1], [1, 2], [5, 4], [0, 9]], np.float32)
    assert _own_rank(scores, 2).tolist() == [1, 2, 2, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_equal_seeds_have_no_spread(count: int) -> None:
    assert summary([{"a": 5.0}] * count)["std"] == {"a": 0.0}
