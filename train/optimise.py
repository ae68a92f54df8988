"""What training needs besides AdamW: the learning rate schedule, the moving average of weights, the saved weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from train.sharding import sharded_like


def learning_rate_factor(step: int, *, steps: int, warmup: float) -> float:
    """Return the share of the peak learning rate: a linear rise over `warmup` of all steps, then a cosine to 0."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class TrainedWeights:
    """The trained weights as one part of a checkpoint; frozen weights are never saved.

    Args:
        trained: parameters by name.
    """

    def __init__(self, trained: Mapping[str, torch.nn.Parameter]) -> None:
        self._trained = trained

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the values by name."""
        return {name: parameter.detach() for name, parameter in self._trained.items()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Set all values.

        Raises:
            ValueError: the names are not exactly those of the trained weights.
        """
        if state.keys() != self._trained.keys():
            raise ValueError(f"the checkpoint differs in {min(state.keys() ^ self._trained.keys())}")
        for name, value in state.items():
            self._trained[name].data.copy_(sharded_like(value, self._trained[name]))


class WeightAverage:
    """Exponential moving average of the weights, which is evaluated and exported; decay 0 gives the weights themselves.

    Args:
        parameters: the parameters to average.
        decay: weight of the old average in the new one; at most (1 + n) / (10 + n) in the n-th update.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self._decay = decay
        self._updates = 0
        self._values = [parameter.detach().clone() for parameter in parameters]

    def update(self) -> None:
        """Update the average with the current weights."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for value, parameter in zip(self._values, self.parameters, strict=True):
            value.lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Swap the averages into the parameters until the block ends."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for value, parameter in zip(self._values, self.parameters, strict=True):
            kept = value.clone()
            value.copy_(parameter.detach())
            parameter.data.copy_(kept)

    def state_dict(self) -> dict[str, object]:
        """Return the averages and the number of updates."""
        return {"updates": self._updates, "values": self._values}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore saved averages."""
        self._updates = int(str(state["updates"]))
        values = list(state["values"])  # type: ignore[call-overload]
        self._values = [sharded_like(value, like) for value, like in zip(values, self.parameters, strict=True)]
