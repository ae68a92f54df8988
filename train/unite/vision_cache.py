"""What the frozen vision tower makes of media, looked at once and kept as far as there is room.

GradCache embeds every row twice, and epochs come back to the same photos. A tower that is not trained says the same
each time, and what it says is a third of the size of the patches it was shown.
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
class Sighted:
    """One item as the language model takes it.

    Attributes:
        token_ids: with placeholders.
        features: (V, D) on the CPU for each kind of placeholder, in order.
    """

    token_ids: Sequence[int]
    features: Mapping[int, torch.Tensor]

    @property
    def bytes(self) -> int:
        """Of the features."""
        return sum(rows.nbytes for rows in self.features.values())


def look(items: Sequence[Prepared], tower: Any, *, pad_id: int) -> list[Sighted]:
    """Show the pictures and clips of some items to a vision tower, in one batch of each kind, without a graph."""
    weight = next(tower.parameters())
    features: list[dict[int, torch.Tensor]] = [{} for _ in items]
    for vision in collate(items, pad_id=pad_id).visions:
        with torch.no_grad():
            output = tower(vision.patches.to(weight), grid_thw=vision.grids.to(weight.device))
        rows = getattr(output, "pooler_output", output).cpu()[vision.kept]
        counts = [sum(token == vision.pad_id for token in item.token_ids) for item in items]
        for shown, part in zip(features, rows.split(counts), strict=True):
            if len(part):
                shown[vision.pad_id] = part.clone()
    return [Sighted(item.token_ids, shown) for item, shown in zip(items, features, strict=True)]


class SightMemory:
    """The items looked at last.

    Args:
        limit: bytes of features that are kept at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, Sighted] = OrderedDict()
        self._bytes = 0

    def recall(self, keys: Sequence[Key], look: Callable[[Sequence[Key]], Sequence[Sighted]]) -> list[Sighted]:
        """The items of some keys; `look` is called once for all those that are not kept."""
        items = {key: self._kept[key] for key in keys if key in self._kept}
        missing = [key for key in dict.fromkeys(keys) if key not in items]
        if missing:
            items.update(zip(missing, look(missing), strict=True))
        for key, item in items.items():
            self._keep(key, item)
        return [items[key] for key in keys]

    def _keep(self, key: Key, item: Sighted) -> None:
        if not item.features:
            return
        if key not in self._kept:
            self._bytes += item.bytes
        self._kept[key] = item
        self._kept.move_to_end(key)
        while self._bytes > self._limit:
            self._bytes -= self._kept.popitem(last=False)[1].bytes
