"""Calibrated and relative scores beat raw cosines and rank fusion on mixed data, simulated and real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import mixed
from indexers.calibration import RankedList
from unite_search.encoders.starter.encoder import StarterEncoder

QUERIES = 300


def simulated(name: str, size: int, shape: tuple[float, float, float], seed: int) -> tuple[RankedList, int]:
    """Scores of one partition for one query, and the id that is right there: mean, spread, how far it stands out."""
    mean, spread, distance = shape
    rng = np.random.default_rng(seed)
    scores = (mean + spread * rng.normal(size=size)).astype(np.float32)
    right = int(rng.integers(size))
    scores[right] = mean + distance * spread
    order = np.argsort(-scores)[: mixed.DEPTH]
    sample = scores[np.unique(np.linspace(0, size - 1, min(size, 512)).astype(int))]
    ids = order + (10_000 if name == "text" else 0)
    return RankedList(name=name, ids=ids, scores=scores[order], sample_scores=sample, size=size), ids[0] - order[
        0
    ] + right


def hit_rates(photos: int, texts: int) -> dict[str, float]:
    """Every item is asked for equally often; texts score high throughout, the right photo only among its own kind."""
    hits = dict.fromkeys(mixed.MERGES, 0)
    for seed in range(QUERIES):
        asks_for_photo = seed < QUERIES * photos / (photos + texts)
        image, right_image = simulated("image", photos, (0.1, 0.04, 2.8 if asks_for_photo else 0.0), seed)
        text, right_text = simulated("text", texts, (0.5, 0.1, 0.0 if asks_for_photo else 3.5), seed + QUERIES)
        wanted = right_image if asks_for_photo else right_text
        for name, merge in mixed.MERGES.items():
            hits[name] += wanted in merge([image, text])
    return {name: count / QUERIES for name, count in hits.items()}


@pytest.mark.parametrize(("photos", "texts"), [(1000, 100), (2000, 30)])
def test_photos_are_not_drowned_by_a_few_texts(photos: int, texts: int) -> None:
    rates = hit_rates(photos, texts)
    assert rates["relative"] > rates["rank fusion"] > rates["raw cosine"]


@pytest.mark.slow
def test_on_real_photos_and_captions_it_is_better_than_cosines_and_ranks(shared_data: Path) -> None:
    mean = mixed.run(shared_data, StarterEncoder(), photos=400)["caption_asks"]["mean"]
    assert mean["calibrated"] > mean["rank fusion"]
    assert mean["calibrated"] > mean["raw cosine"]
