from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unite_search.encoders.unite.batches import FILL, SMALL_TOKENS, padded_tokens, plan_batches

LENGTHS = st.lists(st.integers(1, 3000), max_size=300)


@given(LENGTHS, st.integers(1, 20_000))
def test_every_item_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(LENGTHS, st.integers(4000, 20_000))
def test_padding_is_bounded(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    allowed = sum(lengths) / FILL + SMALL_TOKENS * len(batches)
    assert padded_tokens(batches, lengths) <= allowed


def test_the_longest_items_come_first_and_neighbours_share_a_batch() -> None:
    assert plan_batches([10, 1000, 12, 990, 11], 4096) == [[1, 3], [2, 4, 0]]


def test_a_mix_wastes_little_where_arrival_order_wastes_much() -> None:
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(40, 70, 2000), *rng.integers(250, 330, 200), *rng.integers(1500, 1700, 79)]
    order = rng.permutation(len(lengths))
    shuffled = [int(lengths[at]) for at in order]
    arrival = [list(range(start, min(start + 8, len(shuffled)))) for start in range(0, len(shuffled), 8)]
    assert padded_tokens(plan_batches(shuffled, 4096), shuffled) / sum(shuffled) < 1.05
    assert padded_tokens(arrival, shuffled) / sum(shuffled) > 1.8
