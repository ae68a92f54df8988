"""Running a function of a test in several processes that train together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from train.distributed import process_count, process_rank


def in_processes(count: int, folder: Path, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run `work(*arguments)` in a gloo group; what each process returned, by rank."""
    torch.multiprocessing.spawn(_member, (count, folder, work, arguments), nprocs=count)
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def own_rows(rows: Any) -> Any:
    """This process's equal share of the rows of a whole batch."""
    return rows.tensor_split(process_count())[process_rank()].clone()


def _member(rank: int, count: int, folder: Path, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=count)
    try:
        torch.save(work(*arguments), folder / f"{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()
