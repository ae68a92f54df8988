"""Paths as strings that every store accepts: the plain path, or a file URL if its bytes are not valid UTF-8.

`Path` collapses the double slash after a scheme, so no plain path can be mistaken for such a URL.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

URL_PREFIX = "file://"


def absolute(path: Path) -> Path:
    """Return the path from the root of the file system, without `..`; links are not resolved."""
    return Path(os.path.normpath(path.absolute()))


def exists(path: Path) -> bool:
    """Return whether a path leads to something; False, too, where that cannot be examined, unlike `Path.exists`."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def path_to_uri(path: Path) -> str:
    """Return the path as valid Unicode: itself, or a percent-encoded file URL for a name that is not UTF-8.

    Examples:
        >>> path_to_uri(Path("/photos/a b.jpg"))
        '/photos/a b.jpg'
    """
    plain = str(path)
    try:
        plain.encode()
    except UnicodeEncodeError:
        return URL_PREFIX + quote_from_bytes(os.fsencode(path))
    return plain


def uri_to_path(uri: str) -> Path:
    """Return the path that `path_to_uri` was called with."""
    if uri.startswith(URL_PREFIX):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(URL_PREFIX))))
    return Path(uri)


def prefixes_below(folder: Path) -> tuple[str, ...]:
    """Return the prefixes of the URIs of everything below a folder: the plain form, and the file URL form."""
    plain = path_to_uri(folder).rstrip("/" + os.sep)
    if plain.startswith(URL_PREFIX):
        return (plain + "/",)
    url = URL_PREFIX + quote_from_bytes(os.fsencode(folder)).rstrip("/")
    return plain + os.sep, url + "/"
