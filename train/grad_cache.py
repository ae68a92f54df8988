"""GradCache: the gradient of a large batch with the memory of a small chunk.

A contrastive loss needs all embeddings at once, but embeddings are small. Activations are large, but are needed for one
chunk at a time. So all chunks are embedded without a graph; the loss is differentiated with respect to the embeddings;
then each chunk is embedded again, with a graph and the same random numbers, and its part of the gradient is propagated.

The loss function may gather rows of other processes (`train/distributed.py`); with DDP, gradients are exchanged with
the last chunk only.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", arXiv 2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

import torch

Chunk = TypeVar("Chunk")
Embed = Callable[[Chunk], torch.Tensor]
Loss = Callable[..., torch.Tensor]
Context = Callable[[], AbstractContextManager[object]]


class RandomState:
    """The state of torch's random generators on the CPU and on every GPU at the time of construction."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        """Set the generators back to that state."""
        torch.set_rng_state(self._cpu)
        if self._gpus:
            torch.cuda.set_rng_state_all(self._gpus)


class GradCache(Generic[Chunk]):
    """Computes the gradients of a batch chunk by chunk.

    Args:
        embed: maps a chunk to (chunk size, D) embeddings; gradients are added to its parameters.
        no_sync: context manager for all backward passes but the last, such as DDP's `no_sync`.
    """

    def __init__(self, embed: Embed[Chunk], no_sync: Context = nullcontext) -> None:
        self._embed = embed
        self._no_sync = no_sync

    def backward(self, groups: Sequence[Sequence[Chunk]], loss: Loss) -> torch.Tensor:
        """Add the gradient of a batch to the `grad` of the parameters.

        Args:
            groups: the chunks of each argument of `loss`: queries, candidates and, where used, hard negatives.
            loss: maps one (B, D) array of embeddings per group to a scalar.

        Returns:
            The loss, without a graph.
        """
        if all(len(group) == 1 for group in groups):
            return self._at_once([chunk for (chunk,) in groups], loss)
        chunks = [chunk for group in groups for chunk in group]
        rows, states = self._embed_without_graph(chunks)
        counts = [sum(map(len, part)) for part in _split_by_group(rows, groups)]
        leaves = [part.requires_grad_() for part in torch.cat(rows).split(counts)]
        value = loss(*leaves)
        gradients = torch.autograd.grad(value, leaves, materialize_grads=True)
        self._backward_by_chunk(chunks, states, torch.cat(gradients).split([len(part) for part in rows]))
        return value.detach()

    def _at_once(self, chunks: Sequence[Chunk], loss: Loss) -> torch.Tensor:
        """Compute everything in one pass, for a batch of one chunk per group."""
        value = loss(*(self._embed(chunk) for chunk in chunks))
        value.backward()
        return value.detach()

    def _embed_without_graph(self, chunks: Sequence[Chunk]) -> tuple[list[torch.Tensor], list[RandomState]]:
        rows, states = [], []
        for chunk in chunks:
            states.append(RandomState())
            with torch.no_grad():
                rows.append(self._embed(chunk))
        return rows, states

    def _backward_by_chunk(
        self, chunks: Sequence[Chunk], states: Sequence[RandomState], gradients: Sequence[torch.Tensor]
    ) -> None:
        last = len(chunks) - 1
        for number, (chunk, state, gradient) in enumerate(zip(chunks, states, gradients, strict=True)):
            state.restore()
            with nullcontext() if number == last else self._no_sync():
                self._embed(chunk).backward(gradient)


def _split_by_group(rows: Sequence[torch.Tensor], groups: Sequence[Sequence[Chunk]]) -> list[Sequence[torch.Tensor]]:
    """Split a list of tensors, one for each chunk, by the group of the chunk."""
    starts = [sum(map(len, groups[:number])) for number in range(len(groups))]
    return [rows[start : start + len(group)] for start, group in zip(starts, groups, strict=True)]
