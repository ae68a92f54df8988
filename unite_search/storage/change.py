"""What an index run learns from the catalog of each file, and what it hands back to be committed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class FileState:
    """What the catalog knows of one file: enough to decide whether the file must be read again."""

    size_bytes: int
    mtime_ns: int
    content_hash: str
    recipe: str
    parent: int


STATE_COLUMNS = ("uri", *(column.name for column in fields(FileState)))


@dataclass(slots=True)
class Change:
    """Rows to write and files (by parent id) to delete, in one commit. A row with a known id replaces the old one."""

    new: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    dropped_parents: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.updated or self.dropped_parents)
