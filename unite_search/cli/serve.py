"""`serve`: serve a web page and an HTTP API over collections that stay open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexers.extras import how_to_install
from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory
from unite_search.cli.output import say

TOKEN_VARIABLE = "UNITE_SEARCH_TOKEN"


Host = Annotated[str, typer.Option(help="Address to listen on. One that other machines can reach needs --token.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 chooses a free one.")]
Token = Annotated[
    str | None, typer.Option(envvar=TOKEN_VARIABLE, help="Secret of at least 8 characters that clients must send.")
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="HOST", help="Another host name of this server. May be repeated."),
]
AllowWrite = Annotated[bool, typer.Option("--allow-write", help="Let clients add and remove items, and start `index`.")]
AllowUrl = Annotated[bool, typer.Option("--allow-url", help="Let clients search with media at public URLs.")]
Rate = Annotated[float, typer.Option(min=0, help="Most requests per second of one client; 0 for no limit.")]
MediaRoots = Annotated[
    list[Path] | None,
    typer.Option(
        "--media-root",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Also give out files of items below this folder, though they were imported or lie behind a link. "
        "May be repeated.",
    ),
]
RootPath = Annotated[
    str, typer.Option(metavar="PATH", help="Path below which a proxy serves this server, such as /search.")
]
Others = Annotated[
    list[Path] | None,
    typer.Option(
        "--also", metavar="DIR", file_okay=False, help="Folder of another collection to serve. May be repeated."
    ),
]


def serve(  # noqa: PLR0913 (the parameters of a command are its options)
    *,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    token: Token = None,
    name: Names = None,
    allow_write: AllowWrite = False,
    allow_url: AllowUrl = False,
    rate: Rate = 50.0,
    media_roots: MediaRoots = None,
    root_path: RootPath = "",
    others: Others = None,
    collection: o.Name = None,
    db: o.Database = None,
) -> None:
    """Serve collections over HTTP: a web page at /, and an API that is described at /docs.

    Ctrl-C or SIGTERM stops it: what is being answered is finished, and the exit code is 0.

    Example: unite-search serve --collection holiday
    """
    try:
        from unite_search.server.run import serve as run_server
        from unite_search.server.settings import Settings
    except ModuleNotFoundError as error:
        raise ImportError(f"the server needs packages that are not installed; {how_to_install('serve')}") from error
    from unite_search.cli.interrupts import Interrupts
    from unite_search.collection import Collection

    settings = Settings(
        host=host,
        port=port,
        token=token,
        names=tuple(name or ()),
        allow_write=allow_write,
        allow_url=allow_url,
        media_roots=tuple(root.absolute() for root in media_roots or ()),
        root_path=root_path.rstrip("/"),
        rate_per_s=rate,
    )
    folders = [chosen_directory(collection, db), *(others or [])]
    served = [Collection.open(folder) for folder in folders]
    names = ", ".join(it.name for it in served)
    run_server(
        served,
        settings,
        announce=lambda url: say(f"Serving {names} at {url} (stop with Ctrl-C)"),
        on_interrupt=Interrupts().count,
    )
