"""The interface between the training loop and the models it trains, and the registry of those models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import torch

from train.config import ModelConfig
from train.data.pairs import Pair, Side
from unite_search.encoders.base import Role

CHUNK = 256
"""Sides embedded at one time where nothing else is asked for."""
TRAINEES: dict[str, str] = {
    "starter-head": "train.starter.trainee:StarterTrainee",
    "unite": "train.unite.trainee:UniteTrainee",
}


class Trainee(Protocol):
    """An encoder whose weights are being trained."""

    @property
    def module(self) -> torch.nn.Module:
        """The module that holds the weights; every parameter that requires a gradient is trained."""
        ...

    def prepare(self, pairs: Sequence[Pair]) -> set[str]:
        """Do the work that needs doing only once, before training; returns the media that cannot be read."""
        ...

    def embed(self, sides: Sequence[Side], role: Role) -> torch.Tensor:
        """Embed N sides: (N, D) unit rows, with a graph where gradients are enabled."""
        ...

    def export(self, folder: Path) -> None:
        """Write the files that the encoder of `unite_search` loads.

        The first process writes. It calls this alone, unless the model is sharded: then all processes call it.
        """
        ...


def load_trainee(config: ModelConfig) -> Trainee:
    """Create the trainee that a config names.

    Raises:
        ValueError: the kind is unknown; the message lists the known ones.
    """
    if config.kind not in TRAINEES:
        raise ValueError(f"unknown kind of model {config.kind!r}; known are {', '.join(sorted(TRAINEES))}")
    module, _, attribute = TRAINEES[config.kind].partition(":")
    return cast(Trainee, getattr(import_module(module), attribute)(config))


def embed_in_chunks(trainee: Trainee, sides: Sequence[Side], role: Role, *, size: int = CHUNK) -> torch.Tensor:
    """Embed N sides without a graph, `size` at a time: (N, D) unit rows."""
    with torch.no_grad():
        return torch.cat([trainee.embed(sides[start : start + size], role) for start in range(0, len(sides), size)])
