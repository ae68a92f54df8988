"""`export` and `import`: write and read vectors and metadata in the layout of clip-retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory, opened
from unite_search.cli.output import print_json, print_lines
from unite_search.display import counted, printable


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A new or empty folder.")],
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
) -> None:
    """Write all vectors as .npy and all metadata as Parquet, one folder per partition.

    Example: unite-search export ./vectors
    """
    with opened(chosen_directory(collection, db)) as source:
        report = source.export(directory)
    if as_json:
        print_json({"directory": directory, "items": report.items, "files": report.files})
    else:
        written = f"{counted(report.items, 'item')} in {counted(report.files, 'file')}"
        print_lines([f"wrote {written} below {printable(str(directory))}"])


def import_(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", exists=True, file_okay=False, help="A folder that `export` or clip-retrieval wrote."
        ),
    ],
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
) -> None:
    """Create a collection from vectors that `export` or clip-retrieval wrote. Nothing is embedded.

    Example: unite-search import ./vectors --collection copy
    """
    from indexers.memory import keep_little_memory
    from unite_search.collection import Collection

    keep_little_memory()
    with Collection.from_export(directory, chosen_directory(collection, db)) as target:
        items = target.count(where="true")
        place = target.directory
    if as_json:
        print_json({"directory": place, "items": items})
    else:
        print_lines([f"imported {counted(items, 'item')} into {printable(str(place))}"])
