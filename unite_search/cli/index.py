"""`index`: bring a collection up to date with some folders, and report what happened."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
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
from unite_search.report import IndexOptions

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.report import IndexReport

DUPLICATES_SHOWN = 20

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
    workers: o.WorkerCount = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Number of items that are encoded at once.")] = 32,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be done, and write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a file was skipped.")] = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Index folders and files, or bring a collection up to date with them. Safe to interrupt and to run again.

    Unchanged files are not read again, renamed files keep their vectors, and deleted files are removed.

    The collection remembers its folders, its encoder, and the options for videos, encoder and vector index.

    Example: unite-search index ~/Pictures ~/Videos
    """
    options = IndexOptions(
        segments=None if segments is None else o.parse_segments(segments),
        keyframes_only=fast,
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
    """List skipped files and duplicates on stderr, then print a summary on stdout."""
    for skip in report.skipped:
        say(f"Skipped {shown_path(skip.path)}: {printable(skip.reason)}")
    for warning in report.warnings:
        say(f"Note: {printable(warning)}")
    _show_duplicates(report)
    if with_summary:
        print_lines(_summary(report))


def _show_duplicates(report: IndexReport) -> None:
    limit = DUPLICATES_SHOWN if messages.is_terminal else len(report.duplicates)
    for path, first in report.duplicates[:limit]:
        say(f"Same as {shown_path(first)}: {shown_path(path)}")
    if len(report.duplicates) > limit:
        say(f"and {len(report.duplicates) - limit:,} more duplicates; --json lists them all")


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
