"""Group found items: the segments of a file, copies behind one of them, and the files of a folder or day."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from unite_search.item import local_time
from unite_search.query import GroupBy
from unite_search.search.copies import copies_among, may_be_near
from unite_search.search.found import Found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    VectorsOf = Callable[[list[int]], NDArray[np.float32]]

COPY_COLUMNS = ("parent", "content_hash", "phash", "start_s", "text")
COLUMNS_OF: dict[GroupBy, tuple[str, ...]] = {
    "item": COPY_COLUMNS,
    "parent": COPY_COLUMNS,
    "folder": ("parent", "folder"),
    "day": ("parent", "taken_at", "modified_at"),
}
"""Columns of the catalog by which items are grouped."""
NEAR_COPIES_AMONG = 4
"""Near copies are looked for among so many times the groups that are needed."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one hit stands for: its items, and the groups of copies of it, each best first."""

    items: list[Found]
    copies: list[Group] = field(default_factory=list)

    @property
    def best(self) -> Found:
        """The item that is shown."""
        return self.items[0]


def grouped(
    found: Iterable[Found], by: GroupBy, vectors_of: VectorsOf, *, with_copies: bool, needed: int
) -> list[Group]:
    """Group items that are sorted, best first.

    Args:
        found: the items.
        by: what makes one group.
        vectors_of: returns the (n, D) vectors of items, by which near copies are told.
        with_copies: whether copies are groups of their own; in a folder or day they are files like others.
        needed: how many groups are looked at, best first; near copies are not looked for far behind them.
    """
    groups = _collected(found, by)
    if not with_copies and by in ("item", "parent"):
        groups = _copies_behind(groups)
        first = NEAR_COPIES_AMONG * needed
        groups = [*_near_copies_behind(groups[:first], vectors_of), *groups[first:]]
    if by in ("folder", "day"):
        groups = _joined(groups, by)
    return groups


def group_name(row: dict[str, Any], by: GroupBy) -> str | None:
    """Return the folder or the day of a row, None where a hit is a file or an item."""
    if by == "folder":
        return str(row["folder"])
    return day_of(row) if by == "day" else None


def day_of(row: dict[str, datetime | None]) -> str:
    """Return the day on which a picture was taken, or else its file was written last, as `2024-05-31`."""
    time = row["taken_at"] or local_time(row["modified_at"])
    return time.date().isoformat() if time else ""


def _collected(found: Iterable[Found], by: GroupBy) -> list[Group]:
    groups: dict[Hashable, Group] = {}
    for one in found:
        key = one.id if by == "item" else one.row["parent"]
        groups.setdefault(key, Group([])).items.append(one)
    return list(groups.values())


def _copies_behind(groups: Sequence[Group]) -> list[Group]:
    """Put each group behind the first one whose best item has the same bytes, seconds and text."""
    kept: dict[Hashable, Group] = {}
    for group in groups:
        row = group.best.row
        key = (row["content_hash"], group.best.partition, row["start_s"], row["text"])
        if key in kept:
            kept[key].copies.append(group)
        else:
            kept[key] = group
    return list(kept.values())


def _near_copies_behind(groups: list[Group], vectors_of: VectorsOf) -> list[Group]:
    """Put each picture behind the first one that is nearly the same; see `search.copies`."""
    pictures = [group for group in groups if group.best.row["start_s"] is None]
    is_suspect = may_be_near([group.best.row["phash"] for group in pictures])
    suspects = [group for group, is_one in zip(pictures, is_suspect.tolist(), strict=True) if is_one]
    if not suspects:
        return groups
    originals = copies_among(
        [group.best.row["content_hash"] for group in suspects],
        [group.best.row["phash"] for group in suspects],
        [group.best.row["text"] for group in suspects],
        vectors_of([group.best.id for group in suspects]),
    )
    behind = set()
    for group, place in zip(suspects, originals.tolist(), strict=True):
        if place >= 0:
            suspects[place].copies.extend([Group(group.items), *group.copies])
            behind.add(group.best.id)
    return [group for group in groups if group.best.id not in behind]


def _joined(groups: Sequence[Group], by: GroupBy) -> list[Group]:
    joined: dict[str | None, Group] = {}
    for group in groups:
        key = group_name(group.best.row, by)
        if key in joined:
            joined[key].items.extend(group.items)
        else:
            joined[key] = group
    for group in joined.values():
        group.items.sort(key=lambda one: one.order)
    return list(joined.values())
