"""`status`, `collections`, `remove`, `rebuild`, `verify`, `repair`: manage collections."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory, opened
from unite_search.cli.output import literal, new_table, print_fields, print_json, print_lines, print_table, say
from unite_search.display import counted, file_size, printable
from unite_search.errors import UniteSearchError
from unite_search.media.confinement import described, supported
from unite_search.media.uri import absolute

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.report import RepairReport, Status

NAMED = 10
"""How many paths, ids and filters an error names."""


def status(collection: o.Name = None, db: o.Database = None, as_json: o.AsJson = False) -> None:
    """Show what a collection holds.

    Example: unite-search status --collection holiday
    """
    with opened(chosen_directory(collection, db)) as target:
        found = target.status()
    if as_json:
        print_json({**_status_record(found), "decoding": described(supported())})
        return
    items = ", ".join(f"{name} {count:,}" for name, count in found.items.items())
    print_fields(
        {
            "collection": printable(found.name),
            "folder": printable(str(found.directory)),
            "encoder": f"{found.encoder} ({found.dim} dimensions)",
            "files": f"{found.files:,}" + (f", {found.duplicates:,} of them duplicates" if found.duplicates else ""),
            "items": f"{sum(found.items.values()):,}" + (f" ({items})" if items else ""),
            "indexes": ", ".join(f"{name} {kind}" for name, kind in found.indexes.items()) or "none yet",
            "size": file_size(found.size_bytes),
            "decoding": described(supported()),
            "indexed": ", ".join(printable(str(root)) for root in found.roots) or "nothing yet",
        }
    )


def collections(as_json: o.AsJson = False) -> None:
    """List the named collections.

    Example: unite-search collections
    """
    from unite_search.storage.metadata import list_collections

    rows = [_overview(directory) for directory in list_collections()]
    if as_json:
        print_json({"collections": rows})
        return
    table = new_table("name", "items", "encoder", "folder", right=("items",))
    for row in rows:
        cells = (row["name"], f"{row['items']:,}" if row["error"] is None else "?", row["encoder"], row["directory"])
        table.add_row(*(literal(printable(str(cell))) for cell in cells))
    print_table(table)


def remove(  # noqa: PLR0913 (the parameters of a command are its options)
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATHS", help="Files, or folders with everything below them.")
    ] = None,
    *,
    ids: Annotated[list[int] | None, typer.Option("--id", metavar="ID", help="Id of an item. May be repeated.")] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="SQL", help='Items that pass a filter, such as "duration_s < 60".')
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the items, and remove nothing.")] = False,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
) -> None:
    """Remove items from a collection. The files themselves are kept.

    What matches nothing is named. Exits with code 1 if nothing at all matches.

    Example: unite-search remove ~/Pictures/old --yes
    """
    if not (paths or ids or where):
        raise typer.BadParameter("give paths, --id or --where", param_hint="PATHS")
    with opened(chosen_directory(collection, db)) as target:
        count = target.count(paths=paths or (), ids=ids or (), where=where)
        _report_unmatched(target, [*(paths or []), *(ids or []), *([where] if where else [])])
        if not dry_run:
            if not yes:
                _confirm(f"Remove {counted(count, 'item')} from {target.directory}?")
            count = target.remove(paths=paths or (), ids=ids or (), where=where)
    if as_json:
        print_json({"removed": count, "dry_run": dry_run})
    else:
        print_lines([f"{'would remove' if dry_run else 'removed'} {counted(count, 'item')}"])


def _report_unmatched(target: Collection, selectors: Sequence[Path | int | str]) -> None:
    """Name each path, id and filter that matches no item, and is no folder that was indexed.

    Raises:
        UniteSearchError: that is so for all of them.
    """
    unmatched = [selector for selector in selectors if not _matches(target, selector)]
    if len(unmatched) == len(selectors):
        named = ", ".join(printable(str(selector)) for selector in unmatched[:NAMED])
        more = f" and {len(unmatched) - NAMED:,} more" if len(unmatched) > NAMED else ""
        raise UniteSearchError(f"nothing to remove: no item matches {named}{more}")
    for selector in unmatched:
        say(f"Note: no item matches {printable(str(selector))}")


def _matches(target: Collection, selector: Path | int | str) -> bool:
    if isinstance(selector, int):
        return target.count(ids=[selector]) > 0
    if isinstance(selector, str):
        return target.count(where=selector) > 0
    place = absolute(selector.expanduser())
    return target.count(paths=[place]) > 0 or any(root.is_relative_to(place) for root in target.roots)


def rebuild(
    index_type: o.IndexType = None,
    target_recall: o.TargetRecall = None,
    index_memory: o.IndexMemory = None,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
) -> None:
    """Build the vector indexes again from the stored vectors. Nothing is embedded again.

    Refuses if the catalog is damaged, because then the indexes may hold what `repair` needs.

    Example: unite-search rebuild --target-recall 1
    """
    config = o.index_config(index_type, target_recall, index_memory)
    with opened(chosen_directory(collection, db), index=config) as target:
        sizes = target.rebuild()
        kinds = target.status().indexes
    if as_json:
        print_json({"items": sizes, "indexes": kinds})
    else:
        print_lines([f"{name}: {counted(size, 'item')}" for name, size in sizes.items()] or ["the collection is empty"])


def verify(collection: o.Name = None, db: o.Database = None, as_json: o.AsJson = False) -> None:
    """Read a whole collection and check that its parts agree. Exits with code 1 if they do not.

    Each problem says which side is damaged: a file, a row of the catalog, or a partition.

    Example: unite-search verify --collection holiday
    """
    from unite_search.recovery import verify_folder

    problems = verify_folder(chosen_directory(collection, db))
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print_lines(map(printable, problems or ["no problems found"]))
    if problems:
        raise typer.Exit(1)


def repair(
    collection: o.Name = None,
    db: o.Database = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be done, and write nothing.")] = False,
    as_json: o.AsJson = False,
) -> None:
    """Bring back what can be of a damaged collection. Exits with code 1 if problems remain.

    Damaged vectors are taken from the partitions, files of other damaged rows are read and embedded again where they
    still exist, and partitions are built again. What cannot be brought back is dropped and named.

    Example: unite-search repair --collection holiday --dry-run
    """
    from unite_search import recovery

    report = recovery.repair(chosen_directory(collection, db), dry_run=dry_run)
    if as_json:
        print_json(_repair_record(report))
    else:
        print_lines(map(printable, _repair_lines(report)))
    if report.remaining:
        raise typer.Exit(1)


def _repair_record(report: RepairReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {"ok": not report.remaining, **asdict(report)}


def _repair_lines(report: RepairReport) -> list[str]:
    """Describe a repair for a person."""
    would = "would be " if report.dry_run else ""
    named = [f"row {row['id']} ({row['uri'] or 'file unknown'})" for row in report.dropped]
    lines = [
        *report.problems,
        *(f"{would}restored from its second copy: {name}" for name in report.restored_files),
        *(f"{would}given up: version {number} of the catalog, unreadable" for number in report.deleted_versions),
        *([f"{would}restored from a partition: {_vectors(report)}"] if report.restored_vectors else []),
        *(f"{would}dropped: {row}" for row in named),
        *(f"{would}read again: {path}" for path in report.files_to_read),
        *(f"lost, because the file no longer exists: {uri}" for uri in report.lost),
        *(f"{would}built again: partition {name}" for name in report.rebuilt),
        *report.notes,
        *(f"remains: {problem}" for problem in report.remaining),
    ]
    return lines or ["nothing to repair"]


def _vectors(report: RepairReport) -> str:
    return f"{counted(len(report.restored_vectors), 'vector')} (ids {', '.join(map(str, report.restored_vectors))})"


def _status_record(found: Status) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


def _overview(directory: Path) -> dict[str, Any]:
    """Return one row of `collections`; a damaged collection is listed with its error."""
    row: dict[str, Any] = {
        "name": directory.name,
        "directory": directory,
        "items": None,
        "encoder": None,
        "error": None,
    }
    try:
        with opened(directory) as target:
            found = target.status()
    except UniteSearchError as error:
        return {**row, "encoder": f"({error})", "error": str(error)}
    return {**row, "items": sum(found.items.values()), "encoder": found.encoder}


def _confirm(question: str) -> None:
    """Ask for confirmation on the terminal.

    Raises:
        BadParameter: there is no terminal to ask on.
        Exit: the answer was no.
        KeyboardInterrupt: the answer was Ctrl-C.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; add --yes", param_hint="'--yes'")
    try:
        is_wanted = typer.confirm(question, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    if not is_wanted:
        raise typer.Exit(1)
