from __future__ import annotations

import threading
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("threadpoolctl")

from unite_search.encoders.unite.execution import PREFETCHED_BATCHES, prefetch_prepared  # noqa: E402

DEADLINE_S = 60


def test_batches_come_complete_and_in_order() -> None:
    batches = [[3, 1], [], [2], [5, 4, 0]]
    assert list(prefetch_prepared(lambda number: number * 10, batches)) == [[30, 10], [], [20], [50, 40, 0]]
    assert list(prefetch_prepared(str, [])) == []


def test_the_next_batches_are_prepared_while_one_is_used_and_no_more() -> None:
    begun = [threading.Event() for _ in range(8)]

    def prepare(number: int) -> int:
        begun[number].set()
        return number

    batches = prefetch_prepared(prepare, [[number] for number in range(len(begun))])
    assert next(batches) == [0]
    for event in begun[: PREFETCHED_BATCHES + 1]:
        assert event.wait(DEADLINE_S)
    assert not any(event.is_set() for event in begun[PREFETCHED_BATCHES + 1 :])
    assert list(batches) == [[number] for number in range(1, len(begun))]


def test_an_error_reaches_the_one_who_waits() -> None:
    with pytest.raises(ZeroDivisionError):
        list(prefetch_prepared(lambda number: 1 // number, [[1], [0]]))


def test_torch_keeps_to_one_core_in_the_threads_that_prepare_and_nowhere_else() -> None:
    before = torch.get_num_threads()
    assert list(prefetch_prepared(lambda _: torch.get_num_threads(), [[0, 1, 2]])) == [[1, 1, 1]]
    assert torch.get_num_threads() == before
