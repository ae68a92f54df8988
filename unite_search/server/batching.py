"""Concurrent queries encoded together: whatever waits while the encoder is busy becomes the next batch.

A lone query waits for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from unite_search.content import Content
from unite_search.encoders.base import Encoder
from unite_search.server.problems import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    contents: Sequence[Content]
    done: Future[NDArray[np.float32]] = field(default_factory=Future)


class EncodeQueue:
    """One thread that runs the encoder for all others."""

    def __init__(self, encoder: Encoder, *, max_waiting: int) -> None:
        self._encoder = encoder
        self._jobs: Queue[_Job | None] = Queue(max_waiting)
        self._thread = Thread(target=self._run, name="unite-search encoder", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._jobs.qsize()

    def encode(self, contents: Sequence[Content]) -> NDArray[np.float32]:
        """Embed the (n,) contents of one query as (n, D) float32 unit rows, with those of others.

        Raises:
            Refusal: too many are waiting already.
        """
        job = _Job(contents)
        try:
            self._jobs.put_nowait(job)
        except Full:
            raise Refusal(503, "too many queries are waiting; try again", {"Retry-After": "1"}) from None
        return job.done.result()

    def close(self) -> None:
        """Answer what waits, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            is_last = False
            while sum(len(job.contents) for job in jobs) < MAX_BATCH:
                try:
                    job = self._jobs.get_nowait()
                except Empty:
                    break
                if job is None:
                    is_last = True
                    break
                jobs.append(job)
            self._answer(jobs)
            if is_last:
                return

    def _answer(self, jobs: Sequence[_Job]) -> None:
        """Encode jobs together; where that fails, each alone, so that a bad one fails for itself."""
        try:
            rows = self._encoder.encode([content for job in jobs for content in job.contents], role="query")
        except Exception as error:  # noqa: BLE001 - whatever an encoder raises belongs to the thread that asked
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
            else:
                for job in jobs:
                    self._answer([job])
            return
        ends = np.cumsum([len(job.contents) for job in jobs])
        for job, end in zip(jobs, ends.tolist(), strict=True):
            job.done.set_result(rows[end - len(job.contents) : end])
