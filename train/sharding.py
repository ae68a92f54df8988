"""A model's weights in pieces, one in each process (FSDP2), and what is in pieces as one again.

Each process keeps its piece of every layer and holds one layer whole only while it computes it. All processes call the
same layers in the same order, or they wait for each other for ever; so what only some batches need stays whole.

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
    """Cut weights into pieces in place; gradients become sums over processes.

    Args:
        root: what is called to embed; its weights outside `layers` form one more piece.
        layers: modules inside, each whole at a time.
        unsharded: a module inside whose weights stay whole in every process.
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


def refuse_one_process() -> None:
    """Say, before a large model is read, that there is nothing to spread it over.

    Raises:
        ValueError: there is one process only.
    """
    if process_count() == 1:
        raise ValueError("model.sharded spreads weights over processes; start several: torchrun --nproc-per-node N")


def whole(state: Any) -> Any:
    """Tensors in pieces, in dictionaries and lists, as whole ones on the CPU; all processes must call it together."""
    if isinstance(state, dict):
        return {name: whole(value) for name, value in state.items()}
    if isinstance(state, list):
        return [whole(value) for value in state]
    return state.full_tensor().cpu() if isinstance(state, DTensor) else state


def in_pieces(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor, cut as `like` is; unchanged where that is whole."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def optimiser_state_in_pieces(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A whole state that an optimiser is about to load, cut as its parameters are."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    cut = {
        number: {
            name: in_pieces(value, parameters[number]) if value.shape == parameters[number].shape else value
            for name, value in entry.items()
        }
        for number, entry in state["state"].items()
    }
    return {**state, "state": cut}
