"""Paths as strings that every store accepts: the plain path, or a file URL if its bytes are not valid UTF-8.

`Path` collapses the double slash after a scheme, so no plain path can be mistaken for such a URL.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

URL_PREFIX = "file://"


def absolute(path: Path) -> Path:
    """Return the path from the root of the file system, without `..`; links are not resolved."""
    return Path(os.path.normpath(path.absolute()))


def is_gone(path: Path, *, follow_links: bool = True) -> bool:
    """Return whether the system says that there is nothing at a path; False where it cannot be examined.

    A folder above that may not be entered, a disk that fails or a loop of links says nothing of what is there.
    `Path.exists` raises some of these errors, and takes others for nothing.
    """
    try:
        path.stat() if follow_links else path.lstat()
    except OSError as error:
        return is_absence(error)
    except ValueError:  # a name with a null byte, which no file has
        return True
    return False


def is_absence(error: OSError) -> bool:
    """Return whether an error says that there is nothing at a path, not that it could not be examined."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR)


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
