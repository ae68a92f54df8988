"""InfoNCE and MAMCL as functions of embeddings, without model, processes or data.

MAMCL (modal-aware masked contrastive learning) is InfoNCE in which a query competes only against candidates of its own
target modality. Modality sets must be exactly equal: text+image is not image.

Letters: B rows of a batch, D embedding.

Source: van den Oord et al. 2018, arXiv 1807.03748, eq. 4; Kong et al. 2025, "Modality Curation" (UNITE), arXiv
2505.19650, for MAMCL; friedrichor/UNITE unite/train/trainer.py for the golden values of the tests. Where we differ:
docs/guides/training.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

PAPER_TEMPERATURE = 0.03

Positives = Literal["mean", "sum"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LossOptions:
    """How a batch of scores becomes a loss.

    Attributes:
        temperature: scores are divided by it.
        symmetric: average with the loss in the reverse direction, in which candidates search for their queries.
        positives: weight of a row with k positives: `mean` counts it as one row; `sum`, as in the official code, as k.
    """

    temperature: float = PAPER_TEMPERATURE
    symmetric: bool = False
    positives: Positives = "mean"

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; expected a number above 0")
        if self.positives not in ("mean", "sum"):
            raise ValueError(f"positives is {self.positives!r}; expected mean or sum")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowInfo:
    """Duplicates and hard negatives of a batch of B rows.

    Attributes:
        groups: (B,) integers; rows of one group have the same right answer, so each is a positive of the others.
        hard_negatives: (B, D) or (B * M, D) candidates that are wrong for every row; no mask applies to them.
    """

    groups: torch.Tensor | None = None
    hard_negatives: torch.Tensor | None = None


def info_nce(
    queries: torch.Tensor, candidates: torch.Tensor, options: LossOptions, rows: RowInfo | None = None
) -> torch.Tensor:
    """Compute the cross-entropy of finding each query's own candidate among all candidates of the batch.

    Args:
        queries: (B, D); not normalised here.
        candidates: (B, D); row i answers query i.
        options: temperature, directions, and the weight of rows with several positives.
        rows: duplicates and hard negatives.

    Returns:
        The scalar mean over rows.
    """
    everywhere = torch.ones(len(queries), len(queries), dtype=torch.bool, device=queries.device)
    return _both_directions(queries, candidates, everywhere, options, rows or RowInfo())


def mamcl(
    queries: torch.Tensor,
    candidates: torch.Tensor,
    modalities: torch.Tensor,
    options: LossOptions,
    rows: RowInfo | None = None,
) -> torch.Tensor:
    """Compute InfoNCE with a mask: row i competes only with rows of the same target modality.

    A row whose modality no other row has adds 0 to the sum and no gradient, but counts in the mean; see `count_alone`.
    `options.symmetric` masks the reverse direction too, unlike the official code, which leaves it unmasked.

    Args:
        queries: (B, D).
        candidates: (B, D).
        modalities: (B,) integers, the modality set of each candidate.
        options: temperature, directions, and the weight of rows with several positives.
        rows: duplicates and hard negatives; a duplicate of another modality is not a positive.

    Returns:
        The scalar mean over rows.
    """
    return _both_directions(queries, candidates, same_modality(modalities), options, rows or RowInfo())


def same_modality(modalities: torch.Tensor) -> torch.Tensor:
    """Return which rows compete: (B,) modality sets to (B, B) bool."""
    return modalities[:, None] == modalities[None, :]


def count_alone(modalities: torch.Tensor) -> int:
    """Count the rows, of (B,), whose modality no other row has, so that MAMCL learns nothing from them."""
    return int((same_modality(modalities).sum(dim=1) == 1).sum())


def _both_directions(
    queries: torch.Tensor, candidates: torch.Tensor, competes: torch.Tensor, options: LossOptions, rows: RowInfo
) -> torch.Tensor:
    positive = _positives(competes, rows.groups)
    scores = (queries @ candidates.T).masked_fill(~competes, -torch.inf)  # (B, B)
    loss = _cross_entropy(_with_negatives(scores, queries, rows.hard_negatives), positive, options)
    if options.symmetric:
        loss = (loss + _cross_entropy(scores.T, positive.T, options)) / 2
    return loss


def _positives(competes: torch.Tensor, groups: torch.Tensor | None) -> torch.Tensor:
    if groups is None:
        return torch.eye(len(competes), dtype=torch.bool, device=competes.device)
    return (groups[:, None] == groups[None, :]) & competes


def _with_negatives(scores: torch.Tensor, queries: torch.Tensor, negatives: torch.Tensor | None) -> torch.Tensor:
    return scores if negatives is None else torch.cat([scores, queries @ negatives.T], dim=1)


def _cross_entropy(scores: torch.Tensor, positive: torch.Tensor, options: LossOptions) -> torch.Tensor:
    """Return the mean cross-entropy over rows of (B, B + negatives) scores; `positive` is (B, B) bool."""
    log_shares = torch.log_softmax(scores / options.temperature, dim=1)[:, : positive.shape[1]]
    per_row = -log_shares.masked_fill(~positive, 0).sum(dim=1)  # (B,)
    return (per_row / positive.sum(dim=1) if options.positives == "mean" else per_row).mean()
