"""Preparing the pixels of the next batches in threads, while the model is at this one.

Each thread keeps to one core. By default every thread that calls torch brings as many helpers as there are cores, which
takes the cores from the model: measured on 2 cores, that cost 17 % of the speed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

THREADS = min(8, os.cpu_count() or 1)
BATCHES_AHEAD = 2

Given = TypeVar("Given")
Made = TypeVar("Made")


def prepared_ahead(prepare: Callable[[Given], Made], batches: Sequence[Sequence[Given]]) -> Iterator[list[Made]]:
    """Prepare every item of every batch; batches come in order, at most `BATCHES_AHEAD` wait."""
    with ThreadPoolExecutor(THREADS, "prepare", initializer=_keep_to_one_core) as executor:
        pending: deque[list[Future[Made]]] = deque()
        for batch in batches:
            pending.append([executor.submit(prepare, item) for item in batch])
            if len(pending) > BATCHES_AHEAD:
                yield [future.result() for future in pending.popleft()]
        for futures in pending:
            yield [future.result() for future in futures]


def _keep_to_one_core() -> None:
    """Limit the calling thread; torch would lift the limit at its first call in a thread, so it is called before."""
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")
