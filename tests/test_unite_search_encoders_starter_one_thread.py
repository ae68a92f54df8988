"""How many threads BLAS has, as threadpoolctl reports it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from unite_search.content import Content
from unite_search.encoders.starter.encoder import StarterEncoder
from unite_search.encoders.starter.head import Ensemble, one_thread


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        yield


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_what_it_had_before_outside() -> None:
    with one_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_an_error_inside_ends_the_limit_too() -> None:
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert blas_threads() == {2}


def test_the_head_is_computed_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    compute = Ensemble.__call__

    def watched(head: Ensemble, *inputs: Any) -> Any:
        seen.append(blas_threads())
        return compute(head, *inputs)

    monkeypatch.setattr(Ensemble, "__call__", watched)
    StarterEncoder().encode([Content(("a dog",))], role="candidate")
    assert [*seen, blas_threads()] == [{1}, {2}]
