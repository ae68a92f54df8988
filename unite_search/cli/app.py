"""The Typer application: the commands, in the order in which `--help` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from unite_search.cli import demo, duplicates, encoders, index, manage, search, serve, transfer
from unite_search.cli.output import results

SEARCH = "Index and search"
MANAGE = "Manage collections"
TRANSFER = "Import and export"
ENCODERS = "Encoders"

app = typer.Typer(name="unite-search", no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        from unite_search import __version__

        results.print(f"unite-search {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere in the command line.")
    ] = False,
) -> None:
    """Search folders of videos, images and text with text, an image, a video, or several together.

    To start: unite-search index ~/Pictures, then unite-search query "a dog on the beach"
    """


for panel, name, command in (
    (SEARCH, "index", index.index),
    (SEARCH, "query", search.query),
    (SEARCH, "similar", search.similar),
    (SEARCH, "serve", serve.serve),
    (SEARCH, "demo", demo.demo),
    (MANAGE, "status", manage.status),
    (MANAGE, "collections", manage.collections),
    (MANAGE, "duplicates", duplicates.duplicates),
    (MANAGE, "remove", manage.remove),
    (MANAGE, "rebuild", manage.rebuild),
    (MANAGE, "verify", manage.verify),
    (MANAGE, "repair", manage.repair),
    (TRANSFER, "export", transfer.export),
    (TRANSFER, "import", transfer.import_),
):
    app.command(name, rich_help_panel=panel)(command)
app.add_typer(encoders.encoders, name="encoders", rich_help_panel=ENCODERS)
