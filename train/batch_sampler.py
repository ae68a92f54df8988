"""Choose the pairs of each batch as a pure function of seed and step, so that a resumed run sees the same batches.

Each source is shuffled anew in every epoch. A mixed batch takes from every source its share; where a target modality
would fall below the floor, the source that has it gives more rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from train.config import DataConfig
from train.data.pairs import Pair
from unite_search.modality import Modality


@dataclass(frozen=True, kw_only=True)
class BatchSampler:
    """Batches of pairs, by step.

    Attributes:
        sources: the pairs of each source; none is empty.
        weights: relative share of each source.
        config: batch size, mixing and floor.
        seed: seed of every shuffle and choice.
    """

    sources: Sequence[Sequence[Pair]]
    weights: Sequence[float]
    config: DataConfig
    seed: int

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("data.sources is empty; expected at least one")
        if not all(self.sources):
            raise ValueError("a source has no pairs; expected at least one in each")

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> list[Pair]:
        """Return the pairs of one process in one step; no two processes get the same row."""
        size = self.config.batch * processes
        counts = self._by_source(step, size) if self.config.mixing == "by-source" else self._mixed(size)
        rows = [
            self.sources[source][row] for source, count in enumerate(counts) for row in self._rows(source, step, count)
        ]
        return rows[rank::processes]

    @cached_property
    def _target_modalities(self) -> list[Modality]:
        """The target modality of each source, taken from its first pair: published sources have one each."""
        return [pairs[0].target_modality for pairs in self.sources]

    def _mixed(self, size: int) -> list[int]:
        counts = shares(self.weights, size)
        for needed in sorted(set(self._target_modalities)):
            holders = [number for number, wanted in enumerate(self._target_modalities) if wanted == needed]
            lacking = self.config.floor - sum(counts[number] for number in holders)
            if holders and lacking > 0:
                counts[max(range(len(counts)), key=counts.__getitem__)] -= lacking
                counts[holders[0]] += lacking
        return counts

    def _by_source(self, step: int, size: int) -> list[int]:
        chosen = np.random.default_rng((self.seed, step)).choice(len(self.sources), p=_normal(self.weights))
        return [size if number == chosen else 0 for number in range(len(self.sources))]

    def _rows(self, source: int, step: int, count: int) -> NDArray[np.int64]:
        """Return the row numbers of a source for one step, cut from its endless sequence of shuffled epochs."""
        length = len(self.sources[source])
        places = np.arange(step * count, (step + 1) * count)
        epochs = {int(epoch): self._order(source, int(epoch)) for epoch in np.unique(places // length)}
        return np.array([epochs[int(place) // length][place % length] for place in places], np.int64)

    def _order(self, source: int, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((self.seed, source, epoch)).permutation(len(self.sources[source]))


def shares(weights: Sequence[float], size: int) -> list[int]:
    """Divide `size` rows in proportion to the weights; the rows left over go to the largest remainders."""
    exact = _normal(weights) * size
    counts = np.floor(exact).astype(int)
    for number in np.argsort(counts - exact, kind="stable")[: size - counts.sum()]:
        counts[number] += 1
    return [int(count) for count in counts]


def _normal(weights: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(weights, np.float64) / sum(weights)
