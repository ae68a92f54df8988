"""A cache of the outputs of the frozen vision tower, least recently used first to go.

GradCache embeds every row twice, and every epoch has the same photos. The tower is not trained, so its outputs do not
change, and they have a third of the size of the patches that are its input.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from train.data.pairs import Side
from unite_search.encoders.base import Role
from unite_search.encoders.unite.collate import Prepared, collate

Key = tuple[Role, Side]


@dataclass(frozen=True, slots=True, eq=False)
class LanguageInput:
    """One item as the input of the language model.

    Attributes:
        token_ids: T token ids, with placeholders for pictures and clips.
        features: for each placeholder's token id, the (V, D) features that replace it, in order, on the CPU.
    """

    token_ids: Sequence[int]
    features: Mapping[int, torch.Tensor]

    @property
    def size_bytes(self) -> int:
        """The size of the features in bytes."""
        return sum(rows.nbytes for rows in self.features.values())


def run_vision_tower(items: Sequence[Prepared], tower: Any, *, pad_id: int) -> list[LanguageInput]:
    """Run a vision tower on all pictures of some items in one batch, and on all clips in another, without a graph."""
    weight = next(tower.parameters())
    features: list[dict[int, torch.Tensor]] = [{} for _ in items]
    for vision in collate(items, pad_id=pad_id).visions:
        with torch.no_grad():
            output = tower(vision.patches.to(weight), grid_thw=vision.grids.to(weight.device))
        rows = getattr(output, "pooler_output", output).cpu()[vision.kept]
        counts = [sum(token == vision.pad_id for token in item.token_ids) for item in items]
        for own, part in zip(features, rows.split(counts), strict=True):
            if len(part):
                own[vision.pad_id] = part.clone()
    return [LanguageInput(item.token_ids, own) for item, own in zip(items, features, strict=True)]


class VisionCache:
    """Keeps the items used last.

    Args:
        limit_bytes: largest total size of the features.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Key, LanguageInput] = OrderedDict()
        self._size_bytes = 0

    def get(
        self, keys: Sequence[Key], compute: Callable[[Sequence[Key]], Sequence[LanguageInput]]
    ) -> list[LanguageInput]:
        """Return the items of some keys, in order; `compute` is called once, for all that are not in the cache."""
        items = {key: self._kept[key] for key in keys if key in self._kept}
        missing = [key for key in dict.fromkeys(keys) if key not in items]
        if missing:
            items.update(zip(missing, compute(missing), strict=True))
        for key, item in items.items():
            self._keep(key, item)
        return [items[key] for key in keys]

    def _keep(self, key: Key, item: LanguageInput) -> None:
        if not item.features:
            return
        if key not in self._kept:
            self._size_bytes += item.size_bytes
        self._kept[key] = item
        self._kept.move_to_end(key)
        while self._size_bytes > self._limit_bytes:
            self._size_bytes -= self._kept.popitem(last=False)[1].size_bytes
