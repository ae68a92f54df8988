"""Batches as a function of seed and step: shares, the floor, epochs, processes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.batch_sampler import BatchSampler, shares
from train.config import DataConfig
from train.data.pairs import Pair, Side, balance, group_numbers, without_unreadable
from unite_search.modality import Modality


def pairs(count: int, kind: str, start: int = 0) -> list[Pair]:
    candidates = {"image": lambda n: Side(images=(f"{n}.jpg",)), "text": lambda n: Side(text=f"text {n}")}
    return [Pair(query=Side(text=f"query {n}"), candidate=candidates[kind](n)) for n in range(start, start + count)]


def sampler(sizes: dict[str, int], weights: list[float], **settings: Any) -> BatchSampler:
    sources = [pairs(size, kind) for kind, size in sizes.items()]
    return BatchSampler(sources=sources, weights=weights, config=DataConfig(chunk=1, **settings), seed=3)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=6), st.integers(1, 500))
def test_shares_add_up_and_are_within_one_of_exact(weights: list[float], size: int) -> None:
    counts = shares(weights, size)
    assert sum(counts) == size
    assert all(abs(count - size * weight / sum(weights)) <= 1 for count, weight in zip(counts, weights, strict=True))


def test_every_pair_of_a_source_comes_once_an_epoch_and_epochs_differ() -> None:
    source = sampler({"image": 12}, [1.0], batch=4)
    rows = [pair.query.text for step in range(6) for pair in source.batch(step)]
    first, second = rows[:12], rows[12:]
    assert len(set(first)) == len(set(second)) == 12
    assert first != second


def test_a_batch_depends_on_seed_and_step_only() -> None:
    one, other = (sampler({"image": 20, "text": 9}, [2, 1], batch=6) for _ in range(2))
    assert [one.batch(step) for step in range(9)] == [other.batch(step) for step in range(9)]


def test_a_rare_modality_stays_above_the_floor() -> None:
    batch = sampler({"image": 99, "text": 9}, [1.0, 0.001], batch=32, floor=4).batch(0)
    assert Counter(pair.target_modality for pair in batch) == {Modality.IMAGE: 28, Modality.TEXT: 4}


def test_batches_by_source_hold_one_source_in_proportion_to_weights() -> None:
    source = sampler({"image": 30, "text": 30}, [3.0, 1.0], batch=5, mixing="by-source")
    kinds = [{pair.target_modality for pair in source.batch(step)} for step in range(200)]
    assert all(len(kind) == 1 for kind in kinds)
    assert 120 < kinds.count({Modality.IMAGE}) < 180


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_a_batch_without_overlap(processes: int) -> None:
    source = sampler({"image": 64, "text": 64}, [1.0, 1.0], batch=4)
    rows = [source.batch(1, rank, processes) for rank in range(processes)]
    assert [len(part) for part in rows] == [4] * processes
    assert len({repr(pair) for part in rows for pair in part}) == 4 * processes


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        sampler({"image": 0}, [1.0])


def test_groups_are_equal_across_processes_and_pairs_without_one_stand_alone() -> None:
    grouped, alone = Pair(query=Side(text="a"), candidate=Side(text="b"), group="g"), pairs(2, "text")
    here, there = group_numbers([grouped, *alone], rank=0), group_numbers([grouped, *alone], rank=1)
    assert here[0] == there[0]
    assert len({*here, *there}) == 5


def test_pairs_with_unreadable_media_are_left_out_and_the_balance_is_counted() -> None:
    mixed = [*pairs(3, "image"), *pairs(1, "text")]
    assert balance(without_unreadable(mixed, {"1.jpg"})) == {"text -> image": 2, "text -> text": 1}
