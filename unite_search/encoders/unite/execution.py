"""Running batches: pixels are prepared ahead of the model, and a batch that does not fit in memory is halved."""

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
BATCHES_AHEAD = 2
CPU_ALLOCATOR = "DefaultCPUAllocator"

Given = TypeVar("Given")
Made = TypeVar("Made")


def prepared_ahead(prepare: Callable[[Given], Made], batches: Sequence[Sequence[Given]]) -> Iterator[list[Made]]:
    """Prepare the pixels of the next batches in threads while the model runs; batches come in order.

    At most `BATCHES_AHEAD` prepared batches wait. Each thread keeps to one core: by default every thread that calls
    torch starts as many helpers as there are cores, which takes the cores from the model (17 % slower on 2 cores).
    """
    with ThreadPoolExecutor(THREADS, "prepare", initializer=_keep_to_one_core) as executor:
        pending: deque[list[Future[Made]]] = deque()
        for batch in batches:
            pending.append([executor.submit(prepare, item) for item in batch])
            if len(pending) > BATCHES_AHEAD:
                yield [future.result() for future in pending.popleft()]
        for futures in pending:
            yield [future.result() for future in futures]


def run_within_memory(
    forward: Callable[[Sequence[Made]], NDArray[np.float32]], items: Sequence[Made]
) -> NDArray[np.float32]:
    """Run a batch, or its halves one after the other where the whole is too large; rows in order.

    Raises:
        MemoryError: a single item is too large.
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
    """Whether a GPU or the CPU had no room; torch says the latter with a plain `RuntimeError`."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or CPU_ALLOCATOR in str(error)


def _keep_to_one_core() -> None:
    """Limit the calling thread; torch would lift the limit at its first call in a thread, so it is called before."""
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")
