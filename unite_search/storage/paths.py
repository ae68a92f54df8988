"""Where collections are stored: by name in the user's data directory, or in any folder by `--db`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unite_search.errors import UniteSearchError

DEFAULT_COLLECTION = "default"
COLLECTION_VARIABLE = "UNITE_SEARCH_COLLECTION"
HOME_VARIABLE = "UNITE_SEARCH_HOME"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def collections_home() -> Path:
    """Return the folder of the named collections: below `$UNITE_SEARCH_HOME`, or in the platform's data folder."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute() / "collections"
    from platformdirs import user_data_path

    return user_data_path("unite-search", appauthor=False) / "collections"


def collection_directory(name: str | None = None, db: Path | None = None) -> Path:
    """Return the folder of a collection: `db` itself, else by `name`, else by `$UNITE_SEARCH_COLLECTION`.

    Raises:
        UniteSearchError: the name is not valid as a folder name.
    """
    if db is not None:
        return db.expanduser().absolute()
    chosen = name or os.environ.get(COLLECTION_VARIABLE) or DEFAULT_COLLECTION
    if not _NAME.fullmatch(chosen):
        raise UniteSearchError(f"collection name {chosen!r}: use letters, digits, dot, dash and underscore")
    return collections_home() / chosen


def list_collections() -> list[Path]:
    """Return the folders of all named collections, sorted."""
    home = collections_home()
    if not home.is_dir():
        return []
    return sorted(folder for folder in home.iterdir() if (folder / "collection.json").is_file())
