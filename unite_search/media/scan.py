"""Walk folders and yield their media files lazily, without opening any of them.

Hidden names, unknown extensions and excluded folders are left out. A link that leads outside the folders is followed
only on request. Linked folders are entered last, and only where their target was not walked anyway, which also rules
out loops.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unite_search.media.reasons import LEADS_OUTSIDE, reason_of
from unite_search.media.types import MediaFile, Skipped, VacantFolder, mtime_ns_of
from unite_search.media.uri import absolute, exists
from unite_search.modality import ModalityName

SUFFIXES: dict[ModalityName, str] = {
    "image": ".jpg .jpeg .png .webp .gif .bmp .tif .tiff .heic .heif .avif",
    "video": ".mp4 .m4v .mov .mkv .webm .avi",
    "text": ".txt .md .srt .vtt",
}
MODALITY_OF: dict[str, ModalityName] = {
    suffix: modality for modality, suffixes in SUFFIXES.items() for suffix in suffixes.split()
}
SIDECAR_SUFFIXES = frozenset({".txt", ".json", ".srt"})
CONTAINS_ROOTS = "a link to a folder above the indexed ones"

Found = MediaFile | Skipped | VacantFolder


def scan(paths: Sequence[Path], *, exclude: Sequence[Path], follow_links: bool = False) -> Iterator[Found]:
    """Yield the media files at or below some paths; of each folder its files come first, sorted, then its subfolders.

    Args:
        paths: folders, or single files. One that does not exist is skipped with a reason.
        exclude: paths not to enter.
        follow_links: whether to follow links that lead outside the paths. Paths that are links are followed anyway.
    """
    return _Walk([absolute(path) for path in paths], exclude, follow_links=follow_links).run()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a folder.

    Attributes:
        path: the name with its folder.
        real: the same without links.
        is_link: whether the name itself is a link.
    """

    path: Path
    real: str
    is_link: bool = False

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def modality(self) -> ModalityName | None:
        return MODALITY_OF.get(self.suffix)


class _Walk:
    """One pass over some roots, which remembers the real folders that it has entered."""

    def __init__(self, roots: Sequence[Path], exclude: Sequence[Path], *, follow_links: bool) -> None:
        self._roots = {root: os.path.realpath(root) for root in roots}
        self._excluded = [os.path.realpath(path) for path in exclude]
        self._follow_links = follow_links
        self._entered: set[str] = set()
        self._linked: deque[_Entry] = deque()

    def run(self) -> Iterator[Found]:
        for root, real in self._roots.items():
            if _is_below(real, self._excluded):
                continue
            if _holds(root.is_dir):
                yield from self._below(_Entry(root, real))
            else:
                yield from self._single(_Entry(root, real))
        while self._linked:
            yield from self._below(self._linked.popleft(), once=True)

    def _below(self, root: _Entry, *, once: bool = False) -> Iterator[Found]:
        """Yield what is below a folder; with `once`, leave out the folders that were entered before."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            if once and folder.real in self._entered:
                continue
            self._entered.add(folder.real)
            try:
                with os.scandir(folder.path) as listing:
                    names = sorted((entry for entry in listing if not entry.name.startswith(".")), key=_name)
            except OSError as error:
                yield Skipped(path=folder.path, reason=reason_of(error))
                continue
            if not names:
                yield VacantFolder(folder.path)
            files, folders, links = self._sorted(names, folder)
            yield from self._files(files)
            for link in links:
                yield from self._enter_later(link)
            waiting += reversed(folders)

    def _sorted(
        self, names: Iterable[os.DirEntry[str]], folder: _Entry
    ) -> tuple[list[_Entry], list[_Entry], list[_Entry]]:
        """Return the files, the folders that may be entered, and the links to folders or to nothing."""
        files, folders, links = [], [], []
        for name in names:
            path, is_link = Path(name.path), _holds(name.is_symlink)
            real = os.path.realpath(path) if is_link else folder.real.rstrip(os.sep) + os.sep + name.name
            entry, is_folder = _Entry(path, real, is_link), _holds(name.is_dir)
            if is_link and (is_folder or (entry.modality is None and not exists(path))):
                links.append(entry)
            elif not is_folder:
                files.append(entry)
            elif real not in self._excluded:
                folders.append(entry)
        return files, folders, links

    def _enter_later(self, link: _Entry) -> Iterator[Found]:
        """Plan to enter a linked folder after all others, or say why not."""
        if not exists(link.path):
            yield VacantFolder(link.path)
        elif self._is_inside(link.real):
            self._linked.append(link)
        elif not self._follow_links:
            yield Skipped(path=link.path, reason=LEADS_OUTSIDE)
        elif any(_is_below(real, [link.real]) for real in [*self._roots.values(), *self._excluded]):
            yield Skipped(path=link.path, reason=CONTAINS_ROOTS)
        elif not _is_below(link.real, self._excluded):
            self._linked.append(link)

    def _single(self, root: _Entry) -> Iterator[Found]:
        status = _examined(root)
        if isinstance(status, Skipped):
            yield status
        elif root.modality is None:
            yield Skipped(path=root.path, reason=f"unknown file type {root.path.suffix}".rstrip())
        else:
            beside = (root.path.with_suffix(suffix) for suffix in sorted(SIDECAR_SUFFIXES - {root.suffix}))
            named = [
                _Entry(path, os.path.realpath(path), path.is_symlink()) for path in beside if os.path.lexists(path)
            ]
            yield from self._files([root, *([] if root.modality == "text" else named)], only=root)

    def _files(self, files: Sequence[_Entry], *, only: _Entry | None = None) -> Iterator[Found]:
        """Yield the media among the files of one folder, in the order given, each with its sidecars; or `only` one."""
        described = {file.path.stem for file in files if (file.modality or "text") != "text"}
        sidecars: defaultdict[str, dict[Path, str]] = defaultdict(dict)
        media = []
        for file in files:
            if file.suffix in SIDECAR_SUFFIXES and file.path.stem in described:
                status = self._status(file)
                if isinstance(status, Skipped):
                    yield status
                else:
                    state = f"{file.suffix}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
                    sidecars[file.path.stem][file.path] = state
            elif file.modality is not None and only in (None, file):
                media.append((file, file.modality))
        for file, modality in media:
            status = self._status(file)
            yield status if isinstance(status, Skipped) else _found(file, modality, status, sidecars)

    def _status(self, file: _Entry) -> os.stat_result | Skipped:
        """Return the status of a regular file, or why it is left out."""
        if file.is_link and exists(file.path) and not self._may_follow(file.real):
            return Skipped(path=file.path, reason=LEADS_OUTSIDE)
        return _examined(file)

    def _may_follow(self, real: str) -> bool:
        return self._is_inside(real) or (self._follow_links and not _is_below(real, self._excluded))

    def _is_inside(self, real: str) -> bool:
        return _is_below(real, self._roots.values()) and not _is_below(real, self._excluded)


def _found(
    file: _Entry, modality: ModalityName, status: os.stat_result, sidecars: defaultdict[str, dict[Path, str]]
) -> MediaFile:
    beside = {} if modality == "text" else dict(sorted(sidecars[file.path.stem].items()))
    return MediaFile(
        path=file.path,
        modality=modality,
        size_bytes=status.st_size,
        mtime_ns=mtime_ns_of(status),
        sidecars=tuple(beside),
        sidecar_state=",".join(beside.values()),
    )


def _examined(file: _Entry) -> os.stat_result | Skipped:
    """Return the status of a file, links followed, or why it cannot be indexed."""
    try:
        status = file.path.stat()
    except OSError as error:
        is_broken = error.errno == errno.ENOENT and _holds(file.path.is_symlink)
        return Skipped(path=file.path, reason="broken link" if is_broken else reason_of(error))
    return status if stat.S_ISREG(status.st_mode) else Skipped(path=file.path, reason="not a regular file")


def _holds(check: Callable[[], bool]) -> bool:
    """Return the answer about an entry of a folder, or False where the entry cannot be examined."""
    try:
        return check()
    except OSError:
        return False


def _is_below(real: str, folders: Iterable[str]) -> bool:
    """Return whether a path without links is one of the folders, or below one."""
    return any(real == folder or real.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
