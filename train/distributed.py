"""One batch over several processes: rows are gathered, and each process differentiates its own rows.

Every process computes the loss of the whole batch. Gradients flow to its own rows only and are exactly that slice of
the whole batch's gradient, so the backward pass needs no communication. Summed over processes, parameter gradients are
those of one process with the whole batch. `sum_gradients` adds them up; under DDP, which takes the mean, multiply the
loss by `process_count()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed
from torch.distributed.tensor import DTensor


def process_count() -> int:
    """Return how many processes train together; 1 without a process group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process_rank() -> int:
    """Return the rank of this process, from 0; 0 without a process group."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def first_process_first() -> Iterator[None]:
    """Let the first process run the block before all others, which then find on disk what it wrote."""
    if process_rank() > 0:
        distributed.barrier()
    yield
    if process_count() > 1 and process_rank() == 0:
        distributed.barrier()


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """Join the rows of all processes in rank order.

    Args:
        rows: (B, ...); B must be the same in every process.

    Returns:
        (processes * B, ...); gradients flow to `rows` of this process only.

    Raises:
        ValueError: processes have different numbers of rows; raised in all of them.
    """
    if process_count() == 1:
        return rows
    _refuse_ragged(len(rows), rows.device)
    parts = [torch.empty_like(rows) for _ in range(process_count())]
    distributed.all_gather(parts, rows.detach().contiguous())
    parts[process_rank()] = rows
    return torch.cat(parts)


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Sum the gradients over all processes, in place; those of sharded weights are sums already."""
    if process_count() == 1:
        return
    for parameter in parameters:
        if isinstance(parameter, DTensor):
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)


def _refuse_ragged(count: int, device: torch.device) -> None:
    counts = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(process_count())]
    distributed.all_gather(counts, torch.tensor([count], device=device))
    sizes = [int(size) for size in counts]
    if len(set(sizes)) > 1:
        raise ValueError(f"processes have {sizes} rows; expected the same number in each")
