"""Running ahead: the same items in the same order, a bound, errors, and an end wherever the consumer stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.ingest.pipeline import Prefetch


@given(items=st.lists(st.integers()), limit=st.integers(1, 5))
def test_items_come_unchanged(items: list[int], limit: int) -> None:
    with Prefetch(iter(items), limit=limit) as taken:
        assert list(taken) == items


def test_the_source_is_not_drawn_beyond_the_bound() -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1000):
            drawn.append(number)
            yield number

    with Prefetch(source(), limit=10) as taken:
        assert next(taken) == 0
        time.sleep(0.3)
        assert 10 <= len(drawn) <= 13
    assert len(drawn) <= 13


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with Prefetch(source(), limit=5) as taken:
        assert next(taken) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(taken)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    with Prefetch(iter(range(10**9)), limit=2) as taken:
        next(taken)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
