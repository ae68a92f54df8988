"""Run batches: prefetch their pixels in threads, and halve a batch that does not fit into memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

THREADS = min(8, os.cpu_count() or 1)
PREFETCHED_BATCHES = 2
CPU_ALLOCATOR = "DefaultCPUAllocator"

Given = TypeVar("Given")
Made = TypeVar("Made")


def prefetch_prepared(prepare: Callable[[Given], Made], batches: Sequence[Sequence[Given]]) -> Iterator[list[Made]]:
    """Prepare the pixels of the next batches in threads while the model runs; yields batches in order.

    At most `PREFETCHED_BATCHES` prepared batches wait. Each thread is limited to one core: by default every thread that
    calls torch starts as many threads as there are cores, which slows the model down (by 17 % on 2 cores).
    """
    with ThreadPoolExecutor(THREADS, "prepare", initializer=_keep_to_one_core) as executor:
        pending: deque[list[Future[Made]]] = deque()
        for batch in batches:
            pending.append([executor.submit(prepare, item) for item in batch])
            if len(pending) > PREFETCHED_BATCHES:
                yield [future.result() for future in pending.popleft()]
        for futures in pending:
            yield [future.result() for future in futures]


def run_within_memory(
    forward: Callable[[Sequence[Made]], NDArray[np.float32]], items: Sequence[Made]
) -> NDArray[np.float32]:
    """Run a batch, or its halves one after the other if it does not fit into memory; returns rows in order.

    Raises:
        MemoryError: a single item does not fit.
    """
    try:
        return forward(items)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise MemoryError("one item alone does not fit; try smaller --max-pixels or --max-frames") from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(items) // 2
    halves = [run_within_memory(forward, half) for half in (items[:middle], items[middle:])]
    return np.concatenate(halves)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether the GPU or the CPU ran out of memory; for the CPU, torch raises a plain `RuntimeError`."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or CPU_ALLOCATOR in str(error)


def _keep_to_one_core() -> None:
    """Limit the calling thread to one core, after a call of torch: its first call in a thread would lift the limit."""
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")
