"""Shard a model's weights over processes (FSDP2), and convert sharded tensors to full ones and back.

Each process keeps its shard of every layer and gathers a layer only while computing it. All processes must call the
same layers in the same order, or they wait for each other for ever; so a module that only some batches need is not
sharded.

Source: Zhao et al. 2023, "PyTorch FSDP", arXiv 2304.11277; `torch.distributed.fsdp.fully_shard`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from train.distributed import process_count


def shard(root: torch.nn.Module, layers: Iterable[torch.nn.Module], unsharded: torch.nn.Module) -> None:
    """Shard weights in place; gradients become sums over processes.

    Args:
        root: the module that is called to embed; its weights outside `layers` are gathered together.
        layers: modules inside `root`, each gathered on its own.
        unsharded: a module inside `root` whose full weights stay in every process.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(device, (process_count(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(root, mesh=mesh, ignored_params=set(unsharded.parameters()))
    unsharded.to(device)
    for module in root.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def require_several_processes() -> None:
    """Check, before a large model is read, that there are several processes to shard it over.

    Raises:
        ValueError: there is only one process.
    """
    if process_count() == 1:
        raise ValueError("model.sharded shards weights over processes; start several: torchrun --nproc-per-node N")


def full_tensors(state: Any) -> Any:
    """Gather all sharded tensors in nested dictionaries and lists on the CPU; all processes must call this together."""
    if isinstance(state, dict):
        return {name: full_tensors(value) for name, value in state.items()}
    if isinstance(state, list):
        return [full_tensors(value) for value in state]
    return state.full_tensor().cpu() if isinstance(state, DTensor) else state


def sharded_like(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Shard a full tensor in the same way as `like`; returns it unchanged if `like` is not sharded."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def shard_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Shard the full state that an optimiser is about to load in the same way as its parameters."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    sharded = {
        number: {
            name: sharded_like(value, parameters[number]) if value.shape == parameters[number].shape else value
            for name, value in entry.items()
        }
        for number, entry in state["state"].items()
    }
    return {**state, "state": sharded}
