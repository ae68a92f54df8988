"""Open the file of an item, and nothing else: below a served folder, through no link, unchanged since it was indexed.

The path of an item is resolved, and must then lie below a folder that was indexed or that `--media-root` names. It is
opened component by component without following links, so that nothing that changes meanwhile leads elsewhere. Then size
and modification time of the open file are compared with those of the item.

Decode processes import this module, so it stands on little.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of
from unite_search.media.scan import MODALITY_OF
from unite_search.media.types import mtime_ns_of

DESCRIPTORS = Path("/proc/self/fd")
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class FileGoneError(UnreadableFileError):
    """The file of an item is no longer the one that was indexed."""


class FileNotServedError(UnreadableFileError):
    """The file of an item lies outside the folders that are served."""


class ServedFile(NamedTuple):
    """Where the file of an item lies, and in what state it was when it was indexed.

    Attributes:
        path: its real path, without links.
        size_bytes: its size; 0 if nothing is known of the file, because it was not there when its item was imported.
        mtime_ns: its modification time; None if the catalog could not hold it.
    """

    path: Path
    size_bytes: int
    mtime_ns: int | None


class Folders(NamedTuple):
    """The folders whose files are served.

    Attributes:
        indexed: folders and files that were indexed.
        media: those of `--media-root`, in which files are served that a scan would take by their names.
    """

    indexed: Sequence[Path]
    media: Sequence[Path] = ()


def located(path: Path, folders: Folders, *, size_bytes: int, mtime_ns: int | None) -> ServedFile:
    """Return where a file really lies, or would lie if it were there: it must be one of some folders, or below one.

    Raises:
        FileNotServedError: it lies elsewhere.
    """
    try:
        real = _real(path)
    except (OSError, ValueError):
        raise FileNotServedError("the item has no path that can be opened") from None
    if path.is_absolute() and (
        (size_bytes and any(_below(path, real, folders.indexed)))
        or any(_looks_indexed(real, inner) for inner in _below(path, real, folders.media))
    ):
        return ServedFile(real, size_bytes, mtime_ns)
    raise FileNotServedError("the file is not in a folder that was indexed; `serve --media-root DIR` allows others")


def _below(path: Path, real: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the real path from each folder that it is below; folders that look right go first, others may be slow."""
    for folder in sorted(folders, key=lambda folder: not path.is_relative_to(folder)):
        root = _real(folder)
        if real.is_relative_to(root):
            yield real.relative_to(root)


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _looks_indexed(real: Path, inner: Path) -> bool:
    """Return whether a scan would take a file, by its name and by the names of the folders on the way to it."""
    return real.suffix.lower() in MODALITY_OF and not any(part.startswith(".") for part in inner.parts)


def open_served(file: ServedFile) -> int:
    """Open a file to read it, and return the descriptor.

    Raises:
        FileGoneError: it is gone, was changed, or is not a regular file.
        UnreadableFileError: it may not be read.
    """
    try:
        descriptor = _opened(file.path)
    except OSError as error:
        raise _error(error) from error
    try:
        _refuse_changed(os.fstat(descriptor), file)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_served(file: ServedFile) -> None:
    """Open and close a file.

    Raises:
        FileGoneError: it is gone, was changed, or is not a regular file.
        UnreadableFileError: it may not be read.
    """
    os.close(open_served(file))


@contextmanager
def readable(file: ServedFile) -> Iterator[Path]:
    """Provide a path under which a library can open a file, and under which nothing but that file can be.

    Where the system has no paths of descriptors, the file is compared once more at the end instead.

    Raises:
        FileGoneError: it is gone, was changed, or is not a regular file.
        UnreadableFileError: it may not be read.
    """
    descriptor = open_served(file)
    try:
        known = DESCRIPTORS / str(descriptor)
        yield known if known.exists() else file.path
        if not known.exists():
            again = open_served(file)
            is_same = os.path.sameopenfile(descriptor, again)
            os.close(again)
            if not is_same:
                raise FileGoneError("the file was replaced while it was read")
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Open a file without following a link anywhere on its path, and without waiting for a pipe or device."""
    if os.open not in os.supports_dir_fd:
        _refuse_special(path.lstat())
        return os.open(path, _FILE | _BINARY)
    folder = os.open(path.anchor, _FOLDER | _BINARY)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, _FOLDER | _BINARY, dir_fd=folder)
            os.close(folder)
            folder = inner
        _refuse_special(os.stat(path.name, dir_fd=folder, follow_symlinks=False))
        return os.open(path.name, _FILE | _BINARY, dir_fd=folder)
    finally:
        os.close(folder)


def _refuse_special(status: os.stat_result) -> None:
    """Refuse a pipe or device before it is opened, which alone may have an effect."""
    if not stat.S_ISREG(status.st_mode):
        raise FileGoneError("the file is no longer the one that was indexed: it is not a regular file")


def _refuse_changed(status: os.stat_result, file: ServedFile) -> None:
    _refuse_special(status)
    if not file.size_bytes:
        return
    if status.st_size != file.size_bytes or file.mtime_ns not in (mtime_ns_of(status), None):
        raise FileGoneError("the file has changed since it was indexed; run `index` again")


def _error(error: OSError) -> UnreadableFileError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return FileGoneError("the file is gone; run `index` again")
    if isinstance(error, PermissionError):
        return UnreadableFileError(f"the file cannot be read: {reason_of(error)}")
    return FileGoneError(f"the file is no longer the one that was indexed: {reason_of(error)}")
