"""What `index` reports: progress during a run and a report at its end; and the answer of `status`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unite_search.media.types import Cut, Skipped

Stage = Literal["scan", "index", "compact", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """How to index.

    Attributes:
        segments: `none`, `shots`, or the window length of long videos in seconds. None for the value of the last run;
            60 in the first.
        keyframes_only: read only the key frames of videos. None for the value of the last run; False in the first.
        follow_links: follow links that lead outside the indexed folders. None for the value of the last run; False in
            the first.
        prune: also remove what was indexed in folders that are missing or empty now, and behind links that are not
            followed any more; folders that are missing are forgotten.
        workers: number of decode processes; None for one per core.
        batch_size: contents in one call of the encoder.
        dry_run: report what would be done and write nothing. Nothing is decoded either, so what counts as new or
            changed may be damaged, and be skipped by the real run.
    """

    segments: float | Literal["none", "shots"] | None = None
    keyframes_only: bool | None = None
    follow_links: bool | None = None
    prune: bool = False
    workers: int | None = None
    batch_size: int = 32
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is; passed to the progress callback several times a second.

    Attributes:
        stage: what the run is doing.
        files_total: files found so far; all of them once `scan_finished` is set.
        files_done: files that are finished, whatever the outcome.
        items: items committed.
        embedded: contents that went through the encoder, of files that are finished or not.
        skipped: files that could not be read.
        scan_finished: whether `files_total` is final.
        rate: recent files per second; 0 while unknown.
        remaining_s: estimated seconds left; None while unknown.
    """

    stage: Stage
    files_total: int = 0
    files_done: int = 0
    items: int = 0
    embedded: int = 0
    skipped: int = 0
    scan_finished: bool = False
    rate: float = 0.0
    remaining_s: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class IndexReport:
    """What a run did, or what a dry run would do.

    Attributes:
        added: new files.
        changed: files whose content was replaced.
        renamed: files that moved and kept their vectors.
        unchanged: files that did not have to be read again.
        removed: files that no longer exist and were removed from the index.
        items: items committed.
        embedded: contents that went through the encoder.
        duplicates: (file, the file with the same bytes that was embedded).
        skipped: files that could not be read.
        cut: files that hold more than one file may, indexed in part; each is named in a warning, too.
        decoding: what the system refuses to the processes that read the files, in a few words; None if none was read.
        seconds: wall time.
        warnings: other messages for the user, such as what a file was indexed without, and why.
        dry_run: whether nothing was written.
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
    cut: list[Cut] = field(default_factory=list)
    decoding: str | None = None
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
        fingerprint: fingerprint of its encoder.
        dim: vector length.
        files: number of distinct files.
        items: number of items, by partition.
        indexes: kind of the vector index, by partition.
        size_bytes: size on disk.
        roots: folders that were indexed.
        duplicates: number of files that are byte-identical copies of another.
        version: catalog version.
    """

    name: str
    directory: Path
    encoder: str
    fingerprint: str
    dim: int
    files: int
    items: dict[str, int]
    indexes: dict[str, str]
    size_bytes: int
    roots: tuple[Path, ...]
    duplicates: int
    version: int


@dataclass(slots=True, kw_only=True)
class RepairReport:
    """What `repair` did, or what it would do.

    Attributes:
        problems: what was damaged, one line each.
        restored_files: files that were replaced by their second copies.
        deleted_versions: versions of the catalog that could not be read; what they added is to be indexed again.
        restored_vectors: ids of rows whose vectors were taken from the partitions.
        dropped: `id` and `uri` of rows that could not be brought back, as far as they are known.
        files_to_read: files of such rows that still exist; they are read and embedded again.
        lost: uris of such rows whose files no longer exist.
        rebuilt: partitions that were built anew.
        notes: other messages for the user.
        remaining: problems that `verify` finds afterwards.
        dry_run: whether nothing was written.
    """

    problems: list[str] = field(default_factory=list)
    restored_files: list[str] = field(default_factory=list)
    deleted_versions: list[int] = field(default_factory=list)
    restored_vectors: list[int] = field(default_factory=list)
    dropped: list[dict[str, object]] = field(default_factory=list)
    files_to_read: list[Path] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    dry_run: bool = False
