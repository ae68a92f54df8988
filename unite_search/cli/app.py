"""The Typer application: which commands there are, and in which order `--help` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from unite_search.cli import demo, encoders, index, manage, search, serve, transfer
from unite_search.cli.output import results

FIND = "Find"
KEEP = "Keep"
SHARE = "Move"
MODELS = "Encoders"

app = typer.Typer(name="unite-search", no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from unite_search import __version__

        results.print(f"unite-search {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="On an error, show the traceback. May stand anywhere in the line.")
    ] = False,
) -> None:
    """Search folders of videos, images and text with text, an image, a video, or several together.

    Start: unite-search index ~/Pictures, then unite-search query "a dog on the beach"
    """


for panel, name, command in (
    (FIND, "index", index.index),
    (FIND, "query", search.query),
    (FIND, "similar", search.similar),
    (FIND, "serve", serve.serve),
    (FIND, "demo", demo.demo),
    (KEEP, "status", manage.status),
    (KEEP, "collections", manage.collections),
    (KEEP, "remove", manage.remove),
    (KEEP, "rebuild", manage.rebuild),
    (KEEP, "verify", manage.verify),
    (SHARE, "export", transfer.export),
    (SHARE, "import", transfer.import_),
):
    app.command(name, rich_help_panel=panel)(command)
app.add_typer(encoders.encoders, name="encoders", rich_help_panel=MODELS)
