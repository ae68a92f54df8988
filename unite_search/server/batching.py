"""Encode concurrent queries together: whatever waits while the encoder is busy becomes the next batch.

A single query is encoded at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

import numpy as np

from unite_search.content import Content
from unite_search.encoders.base import Encoder, encode
from unite_search.server.problems import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    contents: Sequence[Content]
    done: Future[NDArray[np.float32]] = field(default_factory=Future)


class EncodeQueue:
    """One thread that runs the encoder for all others.

    Attributes:
        is_closed: whether it takes no more queries.
    """

    def __init__(self, encoder: Encoder, *, max_waiting: int) -> None:
        self._encoder = encoder
        self._max_waiting = max_waiting
        self._waiting: deque[_Job] = deque()
        self.is_closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="unite-search encoder", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def encode(self, contents: Sequence[Content]) -> NDArray[np.float32]:
        """Embed the n contents of one query as (n, D) float32 unit rows, in one batch with those of other queries.

        Raises:
            Refusal: too many queries are waiting already, or the queue was closed.
        """
        job = _Job(contents)
        with self._changed:
            if self.is_closed:
                raise Refusal(503, "the server is stopping")
            if len(self._waiting) >= self._max_waiting:
                raise Refusal(503, "too many queries are waiting; try again", {"Retry-After": "1"})
            self._waiting.append(job)
            self._changed.notify()
        return job.done.result()

    def close(self) -> None:
        """Answer the queries that wait, then stop; later ones are refused."""
        with self._changed:
            self.is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._next_batch():
            self._answer(jobs)

    def _next_batch(self) -> list[_Job]:
        """Wait for jobs and take at most a batch of them; return none once the queue is closed and empty."""
        jobs: list[_Job] = []
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed)
            while self._waiting and sum(len(job.contents) for job in jobs) < MAX_BATCH:
                jobs.append(self._waiting.popleft())
        return jobs

    def _answer(self, jobs: Sequence[_Job]) -> None:
        """Encode jobs together; if that fails, each alone, so that only the bad ones fail."""
        try:
            rows = encode(self._encoder, [content for job in jobs for content in job.contents], role="query")
        except Exception as error:  # noqa: BLE001 - whatever an encoder raises is raised again in the thread that asked
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
            else:
                for job in jobs:
                    self._answer([job])
            return
        ends = np.cumsum([len(job.contents) for job in jobs])
        for job, end in zip(jobs, ends.tolist(), strict=True):
            job.done.set_result(rows[end - len(job.contents) : end])
