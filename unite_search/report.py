"""What a run of `index` tells: progress while it goes on, a report at the end; and what `status` and `verify` say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unite_search.media.types import Skipped

Stage = Literal["scan", "index", "compact", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """How to index.

    Attributes:
        segments: `none`, `shots`, or the window length of long videos in seconds; None for what the collection was
            indexed with before, at first 60.
        keyframes_only: read key frames only; None for as before, at first not.
        workers: decode processes; None for one a core.
        batch_size: contents in one call of the encoder.
        dry_run: look, say what would be done, write nothing.
    """

    segments: float | Literal["none", "shots"] | None = None
    keyframes_only: bool | None = None
    workers: int | None = None
    batch_size: int = 32
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands; handed to the progress callback several times a second.

    Attributes:
        stage: what is going on.
        files_total: files found so far, all of them once `scan_finished`.
        files_done: files finished, of any outcome.
        items: items committed.
        skipped: files that could not be read.
        scan_finished: whether `files_total` is final.
        rate: files a second of late; 0 while unknown.
        remaining_s: estimate, None while unknown.
    """

    stage: Stage
    files_total: int = 0
    files_done: int = 0
    items: int = 0
    skipped: int = 0
    scan_finished: bool = False
    rate: float = 0.0
    remaining_s: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class IndexReport:
    """What a run did (or would do, for a dry run).

    Attributes:
        added: new files.
        changed: files whose content was replaced.
        renamed: files that moved and kept their vectors.
        unchanged: files that were not read again.
        removed: files that are gone, and left.
        items: items committed.
        embedded: contents that went through the encoder.
        duplicates: (file, the file with the same bytes that was embedded).
        skipped: files that could not be read.
        seconds: wall time.
        warnings: other things to know.
        dry_run: nothing was written.
    """

    added: int = 0
    changed: int = 0
    renamed: int = 0
    unchanged: int = 0
    removed: int = 0
    items: int = 0
    embedded: int = 0
    duplicates: list[tuple[Path, Path]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a collection holds.

    Attributes:
        name: collection name.
        directory: where it lives.
        encoder: name of its encoder.
        fingerprint: of its encoder.
        dim: vector length.
        files: distinct files.
        items: items by partition.
        size_bytes: on disk.
        roots: folders that were indexed.
        duplicates: files whose bytes stand in another file too.
        version: catalog version.
    """

    name: str
    directory: Path
    encoder: str
    fingerprint: str
    dim: int
    files: int
    items: dict[str, int]
    size_bytes: int
    roots: tuple[Path, ...]
    duplicates: int
    version: int
