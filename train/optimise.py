"""What surrounds AdamW: the learning rate's course, the moving average of weights, and trained weights as one part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from train.sharding import in_pieces


def rate_share(step: int, *, steps: int, warmup: float) -> float:
    """Share of the highest learning rate at a step: a linear rise over `warmup` of all steps, then a cosine to 0."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Weights:
    """The trained weights by name; frozen ones are never saved.

    Args:
        trained: parameters by name.
    """

    def __init__(self, trained: Mapping[str, torch.nn.Parameter]) -> None:
        self._trained = trained

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Values by name."""
        return {name: parameter.detach() for name, parameter in self._trained.items()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Set all values; names must be exactly the same."""
        if state.keys() != self._trained.keys():
            raise ValueError(f"the checkpoint differs in {min(state.keys() ^ self._trained.keys())}")
        for name, value in state.items():
            self._trained[name].data.copy_(in_pieces(value, self._trained[name]))


class Average:
    """Moving average of weights: what is evaluated and exported; a decay of 0 is the weights themselves.

    Args:
        parameters: what is averaged.
        decay: share of the old average in the new one, for as long as it is younger less: (1 + n) / (10 + n).
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self._decay = decay
        self._updates = 0
        self._values = [parameter.detach().clone() for parameter in parameters]

    def update(self) -> None:
        """Take in the weights as they are now."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for value, parameter in zip(self._values, self.parameters, strict=True):
            value.lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages where the weights are, for as long as this is open."""
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
        """The averages, and how many weights they are of."""
        return {"updates": self._updates, "values": self._values}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from saved averages."""
        self._updates = int(str(state["updates"]))
        values = list(state["values"])  # type: ignore[call-overload]
        self._values = [in_pieces(value, like) for value, like in zip(values, self.parameters, strict=True)]
