"""The queue before the encoder: what waits together, what is refused, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from served import PATIENCE_S, until
from toy import ToyEncoder

from unite_search.content import Content
from unite_search.encoders.base import Role
from unite_search.server.batching import MAX_BATCH, EncodeQueue
from unite_search.server.problems import Refusal


class GatedEncoder(ToyEncoder):
    """Waits in its first call until it is let go on; notes how many contents each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.is_in, self.may_go_on = threading.Event(), threading.Event()

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        self.calls.append(len(contents))
        self.is_in.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if any(content.text == "broken" for content in contents):
            raise ValueError("broken")
        return super().encode(contents, role=role)


def test_what_waits_is_encoded_together_and_right() -> None:
    encoder = GatedEncoder()
    queue = EncodeQueue(encoder, max_waiting=100)
    words = [f"word{number}" for number in range(MAX_BATCH + 8)]
    with ThreadPoolExecutor(len(words) + 1) as pool:
        lone = pool.submit(queue.encode, [Content(("lone",))])
        assert encoder.is_in.wait(PATIENCE_S)
        jobs = [pool.submit(queue.encode, [Content((word,))]) for word in words]
        until(lambda: len(queue) == len(words))
        encoder.may_go_on.set()
        rows = np.concatenate([job.result(PATIENCE_S) for job in [lone, *jobs]])
    queue.close()
    expected = ToyEncoder().encode([Content((word,)) for word in ["lone", *words]], role="query")
    assert np.array_equal(rows, expected)
    assert encoder.calls == [1, MAX_BATCH, 8]


def test_a_query_that_cannot_be_encoded_fails_alone() -> None:
    encoder = GatedEncoder()
    queue = EncodeQueue(encoder, max_waiting=100)
    with ThreadPoolExecutor(4) as pool:
        lone = pool.submit(queue.encode, [Content(("lone",))])
        assert encoder.is_in.wait(PATIENCE_S)
        good, bad = (pool.submit(queue.encode, [Content((word,))]) for word in ("good", "broken"))
        until(lambda: len(queue) == 2)
        encoder.may_go_on.set()
        with pytest.raises(ValueError, match="broken"):
            bad.result(PATIENCE_S)
        assert np.array_equal(good.result(PATIENCE_S), ToyEncoder().encode([Content(("good",))], role="query"))
        assert lone.result(PATIENCE_S).shape == (1, ToyEncoder.dim)
    queue.close()
    assert encoder.calls == [1, 2, 1, 1]


def test_a_full_queue_refuses_at_once() -> None:
    encoder = GatedEncoder()
    queue = EncodeQueue(encoder, max_waiting=2)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(queue.encode, [Content(("a",))])]
        assert encoder.is_in.wait(PATIENCE_S)
        jobs += [pool.submit(queue.encode, [Content(("a",))]) for _ in range(2)]
        until(lambda: len(queue) == 2)
        with pytest.raises(Refusal) as refused:
            queue.encode([Content(("a",))])
        encoder.may_go_on.set()
        assert all(job.result(PATIENCE_S).shape == (1, ToyEncoder.dim) for job in jobs)
    queue.close()
    assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "1"})


def test_a_queue_that_closes_answers_what_waits_and_refuses_the_rest() -> None:
    encoder = GatedEncoder()
    queue = EncodeQueue(encoder, max_waiting=100)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(queue.encode, [Content(("a",))])
        assert encoder.is_in.wait(PATIENCE_S)
        second = pool.submit(queue.encode, [Content(("b",))])
        until(lambda: len(queue) == 1)
        closed = pool.submit(queue.close)
        until(lambda: queue.is_closed)
        with pytest.raises(Refusal) as refused:
            queue.encode([Content(("c",))])
        assert not closed.done()
        encoder.may_go_on.set()
        assert [job.result(PATIENCE_S).shape for job in (first, second)] == [(1, ToyEncoder.dim)] * 2
        closed.result(PATIENCE_S)
    assert refused.value.status_code == 503
