"""`status`, `collections`, `remove`, `rebuild`, `verify`: manage collections."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory, opened
from unite_search.cli.output import literal, new_table, print_fields, print_json, print_lines, print_table
from unite_search.display import counted, file_size, printable
from unite_search.errors import UniteSearchError
from unite_search.media.confinement import described, supported

if TYPE_CHECKING:
    from unite_search.report import Status


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

    Example: unite-search remove ~/Pictures/old --yes
    """
    if not (paths or ids or where):
        raise typer.BadParameter("give paths, --id or --where", param_hint="PATHS")
    with opened(chosen_directory(collection, db)) as target:
        count = target.count(paths=paths or (), ids=ids or (), where=where)
        if not dry_run:
            if not yes:
                _confirm(f"Remove {counted(count, 'item')} from {target.directory}?")
            count = target.remove(paths=paths or (), ids=ids or (), where=where)
    if as_json:
        print_json({"removed": count, "dry_run": dry_run})
    else:
        print_lines([f"{'would remove' if dry_run else 'removed'} {counted(count, 'item')}"])


def rebuild(
    index_type: o.IndexType = None,
    target_recall: o.TargetRecall = None,
    index_memory: o.IndexMemory = None,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
) -> None:
    """Build the vector indexes again from the stored vectors. Nothing is embedded again.

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

    Example: unite-search verify --collection holiday
    """
    with opened(chosen_directory(collection, db)) as target:
        problems = target.verify()
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print_lines(map(printable, problems or ["no problems found"]))
    if problems:
        raise typer.Exit(1)


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
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; add --yes", param_hint="'--yes'")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
