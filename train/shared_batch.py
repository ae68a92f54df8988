"""One batch of all processes: what this one embeds of it, and the loss of the whole.

Rows with a hard negative may be few, and in some processes none. Each process embeds as many negatives as the one that
has most, filling up with a candidate of its own, and what was filled up is cut away after gathering. That costs no
time, since processes wait for each other anyway, and keeps them in step, which sharded weights need.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from train.config import LossConfig
from train.data.pairs import Pair, Side, group_numbers
from train.distributed import gather_rows, process_rank
from train.losses import LossOptions, Rows, info_nce, mamcl
from unite_search.encoders.base import Role

Chunk = tuple[Role, Sequence[Side]]


class SharedBatch:
    """The rows of this process among those of all.

    Args:
        pairs: of this process, as many as in every other.
        config: which loss.
    """

    def __init__(self, pairs: Sequence[Pair], config: LossConfig) -> None:
        self._pairs = pairs
        self._negatives = [pair.negative for pair in pairs if pair.negative]
        self._is_masked = config.stage == 2
        self._options = LossOptions(
            temperature=config.temperature,
            symmetric=config.is_symmetric,
            positives=config.positives,  # type: ignore[arg-type]
        )
        self._modalities = gather_rows(torch.tensor([int(pair.wanted) for pair in pairs]))
        self._groups = gather_rows(torch.tensor(group_numbers(pairs, process_rank())))
        counts = gather_rows(torch.tensor([len(self._negatives)]))
        self._is_negative = torch.arange(int(counts.max())) < counts[:, None]  # (processes, most negatives)

    def chunks(self, size: int) -> list[list[Chunk]]:
        """Queries, candidates and, where any process has some, hard negatives, at most `size` in each chunk."""
        missing = self._is_negative.shape[1] - len(self._negatives)
        groups: list[tuple[Role, list[Side]]] = [
            ("query", [pair.query for pair in self._pairs]),
            ("candidate", [pair.candidate for pair in self._pairs]),
            ("candidate", self._negatives + [self._pairs[0].candidate] * missing),
        ]
        return [
            [(role, sides[start : start + size]) for start in range(0, len(sides), size)]
            for role, sides in groups
            if sides
        ]

    def loss(
        self, queries: torch.Tensor, candidates: torch.Tensor, negatives: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeddings of what `chunks` gave, (B, D) and negatives (M, D), to the loss of all processes."""
        kept = None if negatives is None else gather_rows(negatives)[self._is_negative.flatten().to(negatives.device)]
        rows = Rows(groups=self._groups.to(queries.device), hard_negatives=kept)
        q, c = gather_rows(queries), gather_rows(candidates)
        if self._is_masked:
            return mamcl(q, c, self._modalities.to(q.device), self._options, rows)
        return info_nce(q, c, self._options, rows)
