"""The contract between the training loop and what it trains, and which trainees there are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import torch

from train.config import ModelConfig
from train.data.pairs import Pair, Side
from unite_search.encoders.base import Role

TRAINEES: dict[str, str] = {
    "starter-head": "train.starter.trainee:StarterTrainee",
    "unite": "train.unite.trainee:UniteTrainee",
}


class Trainee(Protocol):
    """An encoder whose weights are being trained."""

    @property
    def module(self) -> torch.nn.Module:
        """What holds the trained weights; every parameter that needs a gradient is trained."""
        ...

    def prepare(self, pairs: Sequence[Pair]) -> set[str]:
        """Do once what can be done before training; returns the media that cannot be read."""
        ...

    def embed(self, sides: Sequence[Side], role: Role) -> torch.Tensor:
        """Embed N sides: (N, D) unit rows, with a graph where gradients are enabled."""
        ...

    def export(self, folder: Path) -> None:
        """Write what the encoder of `unite_search` loads: the first process does, called alone or, sharded, by all."""
        ...


def load_trainee(config: ModelConfig) -> Trainee:
    """Make the trainee that a config names.

    Raises:
        ValueError: the kind is unknown; the message lists the known ones.
    """
    if config.kind not in TRAINEES:
        raise ValueError(f"unknown kind of model {config.kind!r}; known are {', '.join(sorted(TRAINEES))}")
    module, _, attribute = TRAINEES[config.kind].partition(":")
    return cast(Trainee, getattr(import_module(module), attribute)(config))
