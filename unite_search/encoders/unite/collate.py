"""Collate items into a batch: token ids padded to one length, and the patches of all its pictures and clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unite_search.encoders.unite.sizes import Grid, tokens_of

PaddingSide = Literal["left", "right"]


@dataclass(frozen=True, slots=True, eq=False)
class VisionInput:
    """One picture or clip, ready for the vision tower.

    Attributes:
        pad_id: the token that stands for its features.
        grid: patches in time, height and width.
        patches: (P, 1176) float32.
    """

    pad_id: int
    grid: Grid
    patches: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One item, ready for the model: its token ids, and its pictures and clips."""

    token_ids: Sequence[int]
    vision_inputs: tuple[VisionInput, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class VisionBatch:
    """All pictures, or all clips, of a batch.

    Attributes:
        pad_id: the token whose embeddings their features replace.
        patches: (P, 1176) float32.
        grids: (M, 3) int64, the patches of each in time, height and width.
        kept: (V,) bool; False for vision tokens without a placeholder, see `collate`.
    """

    pad_id: int
    patches: torch.Tensor
    grids: torch.Tensor
    kept: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The inputs of one forward pass: `token_ids` and `attention_mask` are (B, T) int64."""

    token_ids: torch.Tensor
    attention_mask: torch.Tensor
    visions: tuple[VisionBatch, ...]


def collate(items: Sequence[Prepared], *, pad_id: int, side: PaddingSide = "left") -> Batch:
    """Join items into one batch.

    An item may have more vision tokens than placeholders; then the first ones are used, as in the official code.

    Raises:
        ValueError: an item has more placeholders than vision tokens.
    """
    longest = max(len(item.token_ids) for item in items)
    token_ids = np.full((len(items), longest), pad_id, np.int64)
    mask = np.zeros_like(token_ids)
    for row, item in enumerate(items):
        used = slice(longest - len(item.token_ids), None) if side == "left" else slice(len(item.token_ids))
        token_ids[row, used] = item.token_ids
        mask[row, used] = 1
    pads = dict.fromkeys(part.pad_id for item in items for part in item.vision_inputs)
    visions = tuple(_vision(items, pad) for pad in pads)
    return Batch(torch.from_numpy(token_ids), torch.from_numpy(mask), visions)


def _vision(items: Sequence[Prepared], pad_id: int) -> VisionBatch:
    parts = [part for item in items for part in item.vision_inputs if part.pad_id == pad_id]
    return VisionBatch(
        pad_id=pad_id,
        patches=torch.from_numpy(np.concatenate([part.patches for part in parts])),
        grids=torch.tensor([part.grid for part in parts]),
        kept=torch.from_numpy(np.concatenate([_kept(item, pad_id) for item in items])),
    )


def _kept(item: Prepared, pad_id: int) -> NDArray[np.bool_]:
    places = sum(token == pad_id for token in item.token_ids)
    tokens = sum(tokens_of(part.grid) for part in item.vision_inputs if part.pad_id == pad_id)
    if places > tokens:
        raise ValueError(f"{places} placeholders for {tokens} vision tokens")
    return np.arange(tokens) < places
