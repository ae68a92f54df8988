"""`index`: bring a collection up to date with some folders, and report what happened."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory, opened
from unite_search.cli.output import messages, print_json, print_lines, say
from unite_search.cli.progress import CostNote, shown_progress
from unite_search.display import clock, counted, printable, shown_path
from unite_search.encoders.base import embedding_options
from unite_search.media.reasons import LEADS_OUTSIDE
from unite_search.report import IndexOptions

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.report import IndexReport

LINES_SHOWN = 20
"""How many lines of one kind a terminal shows; a file or a pipe gets all of them, but for copies: a copy of a whole
library is one fact, not thousands."""
LINKS_SHOWN = 3
"""How many links that lead outside are named anywhere: an album of links has thousands."""

Open = Callable[..., AbstractContextManager["Collection"]]


def index(  # noqa: PLR0913 (the parameters of a command are its options)
    paths: o.IndexedPaths = None,
    *,
    collection: o.Name = None,
    db: o.Database = None,
    encoder: o.EncoderName = None,
    max_pixels: o.MaxPixels = None,
    fps: o.Fps = None,
    max_frames: o.MaxFrames = None,
    dtype: o.Precision = None,
    device: o.Device = None,
    index_type: o.IndexType = None,
    target_recall: o.TargetRecall = None,
    index_memory: o.IndexMemory = None,
    segments: o.Segments = None,
    fast: o.Fast = None,
    follow_links: o.FollowLinks = None,
    prune: o.Prune = False,
    workers: o.WorkerCount = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Number of items that are encoded at once.")] = 32,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done; decode nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a file was skipped.")] = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Index folders and files, or bring a collection up to date with them. Safe to interrupt and to run again.

    Unchanged files are not read again, renamed files keep their vectors, and deleted files are removed.

    The collection remembers its folders, its encoder, and the options for videos, links, encoder and vector index.

    Example: unite-search index ~/Pictures ~/Videos
    """
    options = IndexOptions(
        segments=None if segments is None else o.parse_segments(segments),
        keyframes_only=fast,
        follow_links=follow_links,
        prune=prune,
        workers=workers,
        batch_size=batch_size,
        dry_run=dry_run,
    )
    how = embedding_options(max_pixels=max_pixels, fps=fps, max_frames=max_frames, dtype=dtype, device=device)
    given = paths or []
    directory = chosen_directory(collection, db)
    config = o.index_config(index_type, target_recall, index_memory)
    open_target = partial(opened, encoder=encoder, options=how, index=config)
    with (
        _target(directory, open_target, may_create=bool(given), dry_run=dry_run) as target,
        shown_progress(quiet=quiet) as progress,
    ):
        report = target.index(given, options, progress and CostNote(lambda: target.encoder, progress))
    if as_json:
        print_json({"collection": directory, **report_record(report)})
    if not quiet:
        show_report(report, with_summary=not as_json)
    if strict and report.skipped:
        raise typer.Exit(1)


@contextmanager
def _target(directory: Path, open_target: Open, *, may_create: bool, dry_run: bool) -> Iterator[Collection]:
    """Open the collection to index into; for a dry run of a new one, a temporary collection."""
    from unite_search.storage.metadata import FILE_NAME, CollectionMetadata

    if not may_create and not CollectionMetadata.read(directory).roots:
        raise typer.BadParameter("nothing was indexed before; name a folder or a file", param_hint="PATHS")
    is_new = may_create and not (directory / FILE_NAME).exists()
    if is_new and dry_run:
        with tempfile.TemporaryDirectory() as scratch, open_target(Path(scratch), create=True) as target:
            yield target
    else:
        with open_target(directory, create=is_new) as target:
            yield target


def report_record(report: IndexReport) -> dict[str, Any]:
    """Return a report as a JSON object."""
    from unite_search.media.uri import path_to_uri

    counts = ("added", "changed", "renamed", "unchanged", "removed", "items", "embedded")
    return {
        **{name: getattr(report, name) for name in counts},
        "duplicates": [{"uri": path_to_uri(path), "same_as": path_to_uri(first)} for path, first in report.duplicates],
        "skipped": [{"uri": path_to_uri(skip.path), "reason": skip.reason} for skip in report.skipped],
        "skipped_by_reason": dict(Counter(skip.reason for skip in report.skipped).most_common()),
        "cut": [{"uri": path_to_uri(cut.path), "reason": cut.reason} for cut in report.cut],
        "warnings": report.warnings,
        "decoding": report.decoding,
        "seconds": round(report.seconds, 2),
        "dry_run": report.dry_run,
    }


def show_report(report: IndexReport, *, with_summary: bool = True) -> None:
    """Print what was skipped, the warnings and the duplicates to stderr, and the counts to stdout."""
    most = LINES_SHOWN if messages.is_terminal else None
    for reason, paths in _by_reason(report).items():
        lines = [f"Skipped {shown_path(path)}: {printable(reason)}" for path in paths]
        _say_some(lines, LINKS_SHOWN if reason == LEADS_OUTSIDE else most, f"skipped: {printable(reason)}")
    _say_some([f"Note: {printable(warning)}" for warning in report.warnings], most, "notes")
    same = [f"Same as {shown_path(first)}: {shown_path(path)}" for path, first in report.duplicates]
    _say_some(same, LINES_SHOWN, "duplicates")
    if with_summary:
        print_lines(_summary(report))


def _by_reason(report: IndexReport) -> dict[str, list[Path]]:
    paths: dict[str, list[Path]] = {}
    for skip in report.skipped:
        paths.setdefault(skip.reason, []).append(skip.path)
    return paths


def _say_some(lines: Sequence[str], most: int | None, what: str) -> None:
    """Print the first lines of one kind, and how many more there are."""
    for line in lines[:most]:
        say(line)
    if most is not None and len(lines) > most:
        say(f"and {len(lines) - most:,} more {what}; --json lists them all")


def _summary(report: IndexReport) -> list[str]:
    outcomes = ("added", "changed", "renamed", "unchanged", "removed")
    counts = [f"{getattr(report, name):,} {name}" for name in outcomes if getattr(report, name)]
    lines = [f"{'Would be: ' if report.dry_run else ''}{', '.join(counts) or 'no files'}"]
    if not report.dry_run:
        lines[0] += f"; {counted(report.items, 'item')} written in {clock(report.seconds)}"
    if report.duplicates:
        lines.append(f"{counted(len(report.duplicates), 'duplicate')} embedded once")
    if report.skipped:
        reasons = Counter(printable(skip.reason) for skip in report.skipped).most_common()
        by_reason = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
        lines.append(f"{counted(len(report.skipped), 'file')} skipped: {by_reason}")
    return lines
