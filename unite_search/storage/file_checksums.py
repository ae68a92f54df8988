"""Checksums of the files of the catalog, and second copies of the small ones, written at the end of each change.

`catalog/checksums.b2` has the format of `b2sum`, so `b2sum -l 128 -c checksums.b2` checks it too; its first line is the
checksum of its other lines. Lance writes a file once and never changes it, so only new files are read. A file
that is not listed, because the process was killed before, is listed at the end of the next change.

`catalog/copies` holds the manifest, the transaction and the deletion files of the newest version, and
`collection.json`. They are small, and without one of them nothing can be read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from indexers.atomic import atomic_write, write_text
from indexers.digest import digest_of
from indexers.stored_file import checksum
from unite_search.errors import UniteSearchError
from unite_search.storage.guard import refusal_of_system

FILE_NAME = "checksums.b2"
COPIES = "copies"
DATA = "data"
HINT = "latest_version_hint.json"
MOST_COPIED_BYTES = 1 << 20
"""Larger files have no second copy."""
SMALL_FOLDERS = ("_versions", "_transactions", "_deletions")


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one version of a table, by what happens to them.

    Attributes:
        data: names of the data files.
        deletions: paths of the deletion files, relative to the table.
        version: the number of the version.
    """

    data: frozenset[str]
    deletions: frozenset[str]
    version: int


@dataclass(frozen=True, slots=True)
class FileChecksums:
    """The content of `checksums.b2`.

    Attributes:
        version: the version of the table at the time.
        digests: BLAKE2b by path, relative to the folder of the list.
    """

    version: int
    digests: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> FileChecksums | None:
        """Read the list of a catalog folder; None where there is none.

        Raises:
            ValueError: the list itself is damaged.
        """
        try:
            content = (folder / FILE_NAME).read_bytes()
        except FileNotFoundError:
            return None
        head, _, body = content.partition(b"\n")
        version = re.match(rb"# version (\d{1,20}) ", head)
        if version is None or head != _head(int(version[1]), body):
            raise ValueError("checksum differs")
        lines = (line.partition("  ") for line in body.decode("utf-8").splitlines())
        return cls(int(version[1]), {name: digest for digest, _, name in lines})

    def write(self, folder: Path) -> None:
        """Replace the list of a catalog folder."""
        body = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items())).encode()
        with atomic_write(folder / FILE_NAME) as stream:
            stream.write(_head(self.version, body) + b"\n" + body)

    def problems(self, folder: Path, files: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield each listed file of `files` that is damaged or missing, with what is wrong; this reads the files.

        Raises:
            UniteSearchError: the system refuses to read one, which says nothing of the file.
        """
        for name in files:
            if name not in self.digests:
                continue
            try:
                if checksum(folder / name) != self.digests[name]:
                    yield name, "checksum differs"
            except OSError as error:
                refusal = refusal_of_system(error)
                if refusal:
                    raise UniteSearchError(f"{folder / name}: {refusal}") from error
                yield name, error.strerror or "cannot be read"


def _head(version: int, body: bytes) -> bytes:
    digest = digest_of(body + str(version).encode())
    return f"# version {version} {digest}".encode()


def problem_of_manifest(folder: Path, table: str) -> str | None:
    """Return what is wrong with the newest manifest, if it is one whose checksum is known; reads small files only.

    Without the newest manifest, the engine would open the version before it, as if nothing were missing.
    """
    try:
        known = FileChecksums.read(folder)
    except ValueError:
        return None
    if known is None:
        return None
    newest = newest_version(folder / table)
    if newest < known.version:
        return missing_version(known.version, newest)
    problems = known.problems(folder, manifests(table, known.version))
    return next((f"{name}: {problem}" for name, problem in problems if (folder / name).exists()), None)


def missing_version(version: int, newest: int) -> str:
    """Say that the newest manifest is not there."""
    return f"version {version} is missing; the newest is {newest}"


def newest_version(table: Path) -> int:
    """Return the number of the newest version of a table, by the names of its manifests; 0 if there is none."""
    numbers = [int(path.stem) for path in (table / "_versions").glob("*.manifest") if path.stem.isdigit()]
    return max((2**64 - 1 - number if number > 2**63 else number for number in numbers), default=0)


def manifests(table: str, version: int) -> tuple[str, str]:
    """Return the two paths that the manifest of a version may have: numbered downwards, or upwards in old tables."""
    return f"{table}/_versions/{2**64 - 1 - version}.manifest", f"{table}/_versions/{version}.manifest"


def record(folder: Path, table: str, files: Files) -> None:
    """Bring the list of checksums and the second copies up to date. Needs the write lock.

    A damaged list is made anew of the files as they are, so they must have been read and found sound before.

    Args:
        folder: the catalog's folder.
        table: the name of the table in it.
        files: the files of the newest version.
    """
    try:
        known = FileChecksums.read(folder)
    except ValueError:
        known = None
    before = known.digests if known else {}
    digests = {}
    for name in _files_below(folder, table):
        if name in before and not name.endswith(HINT):
            digests[name] = before[name]
        elif not name.startswith(f"{table}/{DATA}/") or Path(name).name in files.data:
            digests[name] = checksum(folder / name)
    found = FileChecksums(files.version, digests)
    if found != known:
        _copy_small_files(folder, table, files)
        found.write(folder)


def _files_below(folder: Path, table: str) -> list[str]:
    """Return the paths of all files of a table, relative to `folder`; files that are being written are left out."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted((folder / table).rglob("*"))
        if not path.name.startswith(".") and path.is_file()
    ]


def small_files(table: str, files: Files, present: Iterable[str]) -> list[str]:
    """Return which of the files that are present get a second copy."""
    starts = (*manifests(table, files.version), f"{table}/_transactions/{files.version - 1}-")
    deletions = {f"{table}/{name}" for name in files.deletions}
    return [name for name in present if name.startswith(starts) or name in deletions]


def _copy_small_files(folder: Path, table: str, files: Files) -> None:
    wanted = set()
    for name in small_files(table, files, _files_below(folder, table)):
        source, copy = folder / name, folder / COPIES / name
        if source.stat().st_size > MOST_COPIED_BYTES:
            continue
        wanted.add(copy)
        if not copy.exists():
            copy_file(source, copy)
    for path in (folder / COPIES / table).rglob("*"):
        if path.is_file() and path not in wanted:
            with suppress(OSError):
                path.unlink()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file whole or not at all, making its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as stream:
        stream.write(source.read_bytes())


def copy_text(source: Path, folder: Path) -> None:
    """Keep a second copy of a text file of the collection, if it differs."""
    text, target = source.read_text(encoding="utf-8"), folder / COPIES / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text(encoding="utf-8", errors="replace") != text:
        write_text(target, text)


def damaged_copies(folder: Path, known: FileChecksums) -> Iterator[tuple[str, str]]:
    """Yield the second copies that differ from what the list says of their originals."""
    for path in sorted((folder / COPIES).rglob("*")):
        name = path.relative_to(folder / COPIES).as_posix()
        if path.is_file() and name in known.digests and checksum(path) != known.digests[name]:
            yield f"{COPIES}{os.sep}{name}", "checksum differs"
