"""Going on where a batch does not fit into memory: halves of it do, or quarters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Item = TypeVar("Item")
CPU_ALLOCATOR = "DefaultCPUAllocator"


def run_within_memory(
    forward: Callable[[Sequence[Item]], NDArray[np.float32]], items: Sequence[Item]
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
