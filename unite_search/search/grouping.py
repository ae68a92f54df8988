"""Group found items: the segments of a file, copies behind one of them, and the files of a folder or day."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from unite_search.query import GroupBy
from unite_search.search.found import Found

GROUP_COLUMNS = ("parent", "folder", "taken_at", "modified_at", "content_hash", "start_s", "text")


@dataclass(frozen=True, slots=True)
class Group:
    """What one hit stands for: its items, and the groups of copies of it, each best first."""

    items: list[Found]
    copies: list[Group] = field(default_factory=list)

    @property
    def best(self) -> Found:
        """The item that is shown."""
        return self.items[0]


def grouped(found: Iterable[Found], by: GroupBy, *, with_copies: bool) -> list[Group]:
    """Group items that are sorted, best first.

    Args:
        found: the items.
        by: what makes one group.
        with_copies: whether copies are groups of their own.
    """
    groups = _collected(found, by)
    if not with_copies:
        groups = _copies_behind(groups)
    if by in ("folder", "day"):
        groups = _joined(groups, by)
    return groups


def group_name(row: dict[str, Any], by: GroupBy) -> str | None:
    """Return the folder or the day of a row, None where a hit is a file or an item."""
    return {"folder": row["folder"], "day": day_of(row)}.get(by)


def day_of(row: dict[str, datetime | None]) -> str:
    """Return the day on which a picture was taken, or else its file was written last, as `2024-05-31`."""
    time = row["taken_at"] or row["modified_at"]
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


def _joined(groups: Sequence[Group], by: GroupBy) -> list[Group]:
    joined: dict[str | None, Group] = {}
    for group in groups:
        key = group_name(group.best.row, by)
        if key in joined:
            joined[key].items.extend(group.items)
            joined[key].copies.extend(group.copies)
        else:
            joined[key] = group
    for group in joined.values():
        group.items.sort(key=lambda one: one.order)
        group.copies.sort(key=lambda copy: copy.best.order)
    return list(joined.values())
