"""One batch that all processes share: the part that this process embeds, and the loss of the whole batch.

Only some rows may have a hard negative, and in some processes none. Each process embeds as many negatives as the
process that has most, padding with one of its candidates, and the padding is removed after gathering. That costs no
time, since processes wait for each other anyway, and keeps their calls in step, as sharded weights require.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from train.config import LossConfig
from train.data.pairs import Pair, Side, group_numbers
from train.distributed import gather_rows, process_rank
from train.losses import LossOptions, RowInfo, info_nce, mamcl
from unite_search.encoders.base import Role

Chunk = tuple[Role, Sequence[Side]]


class SharedBatch:
    """A batch that is divided over processes.

    Args:
        pairs: the pairs of this process; every process has the same number.
        config: the loss to compute.
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
        self._modalities = gather_rows(torch.tensor([int(pair.target_modality) for pair in pairs]))
        self._groups = gather_rows(torch.tensor(group_numbers(pairs, process_rank())))
        counts = gather_rows(torch.tensor([len(self._negatives)]))
        self._is_negative = torch.arange(int(counts.max())) < counts[:, None]  # (processes, most negatives)

    def chunks(self, size: int) -> list[list[Chunk]]:
        """Return queries, candidates and, if any process has some, hard negatives, in chunks of up to `size` sides."""
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
        """Compute the loss over all processes.

        Args:
            queries: (B, D) embeddings of this process's queries, in the order of `chunks`.
            candidates: (B, D) embeddings of its candidates.
            negatives: (M, D) embeddings of its hard negatives and their padding, if `chunks` returned any.
        """
        kept = None if negatives is None else gather_rows(negatives)[self._is_negative.flatten().to(negatives.device)]
        rows = RowInfo(groups=self._groups.to(queries.device), hard_negatives=kept)
        q, c = gather_rows(queries), gather_rows(candidates)
        if self._is_masked:
            return mamcl(q, c, self._modalities.to(q.device), self._options, rows)
        return info_nce(q, c, self._options, rows)
