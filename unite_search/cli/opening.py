"""Open the collection that the options name; its messages go to stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unite_search.cli.output import say

if TYPE_CHECKING:
    from indexers.spec import IndexConfig
    from unite_search.collection import Collection
    from unite_search.encoders.base import EncoderOptions


def chosen_directory(name: str | None, db: Path | None) -> Path:
    """Return the folder that `--collection` or `--db` names.

    Raises:
        BadParameter: both are given.
    """
    from unite_search.storage.metadata import collection_directory

    if name is not None and db is not None:
        raise typer.BadParameter("give --collection or --db, not both", param_hint="--db")
    return collection_directory(name, db)


@contextmanager
def opened(
    directory: Path,
    *,
    encoder: str | None = None,
    options: EncoderOptions | None = None,
    index: IndexConfig | None = None,
    create: bool = False,
) -> Iterator[Collection]:
    """Open a collection for the duration of a command, and print its messages at the end."""
    from unite_search.collection import Collection

    with Collection.open(directory, encoder=encoder, options=options, index=index, create=create) as collection:
        try:
            yield collection
        finally:
            for message in collection.messages:
                say(f"Note: {message}")
