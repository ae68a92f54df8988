"""Walk folders and yield their media files lazily, without opening any of them.

Hidden names, unknown extensions and excluded folders are left out. A link that leads outside the folders is followed
only on request. Linked folders are entered last, and only where their target was not walked anyway, which also rules
out loops.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unite_search.media.reasons import LEADS_OUTSIDE, UNKNOWN_TYPE, reason_of
from unite_search.media.types import MediaFile, Skipped, VacantFolder, mtime_ns_of
from unite_search.media.uri import absolute, is_absence
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
NO_FOLDER = "is not a folder any more"

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
        real: the same without links; of a link that cannot be examined, the link itself.
        is_link: whether the name itself is a link.
        is_folder: whether it is a folder, or leads to one.
        error: why it cannot be examined, or why a link leads nowhere.
    """

    path: Path
    real: str
    is_link: bool = False
    is_folder: bool = False
    error: OSError | None = None

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def modality(self) -> ModalityName | None:
        return MODALITY_OF.get(self.suffix)

    @property
    def leads_nowhere(self) -> bool:
        return self.is_link and self.error is not None and is_absence(self.error)


class _Walk:
    """One pass over some roots, which remembers the real folders that it has entered."""

    def __init__(self, roots: Sequence[Path], exclude: Sequence[Path], *, follow_links: bool) -> None:
        self._roots = [_named(root) for root in roots]
        self._root_folders = [root.real for root in self._roots]
        self._excluded = [_named(absolute(path)).real for path in exclude]
        self._follow_links = follow_links
        self._entered: set[str] = set()
        self._linked: deque[_Entry] = deque()

    def run(self) -> Iterator[Found]:
        for root in self._roots:
            if _is_below(root.real, self._excluded):
                continue
            if root.is_folder:
                yield from self._below(root)
            else:
                yield from self._single(root)
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
            files, folders, rest = self._sorted(names, folder)
            yield from self._files(files)
            for entry in rest:
                yield from self._enter_later(entry)
            waiting += reversed(folders)

    def _sorted(
        self, names: Iterable[os.DirEntry[str]], folder: _Entry
    ) -> tuple[list[_Entry], list[_Entry], list[_Entry]]:
        """Return the files, the folders that may be entered, and the rest: links to folders, and what may be a folder.

        What cannot be examined and has no suffix of a file is among the rest. So is a link to nothing, which is among
        the files as well if it has the suffix of a sidecar.
        """
        files, folders, rest = [], [], []
        for name in names:
            entry = _examined(name, folder)
            is_unknown = entry.error is not None and entry.modality is None
            if is_unknown or (entry.is_link and entry.is_folder):
                rest.append(entry)
            elif entry.is_folder and entry.real not in self._excluded:
                folders.append(entry)
            if not entry.is_folder and (not is_unknown or entry.leads_nowhere):
                files.append(entry)
        return files, folders, rest

    def _enter_later(self, link: _Entry) -> Iterator[Found]:
        """Plan to enter a linked folder after all others, or say why not."""
        if link.leads_nowhere:
            yield VacantFolder(link.path)
        elif link.error is not None:
            yield Skipped(path=link.path, reason=reason_of(link.error))
        elif self._is_inside(link.real):
            self._linked.append(link)
        elif not self._follow_links:
            yield Skipped(path=link.path, reason=LEADS_OUTSIDE)
        elif any(_is_below(real, [link.real]) for real in [*self._root_folders, *self._excluded]):
            yield Skipped(path=link.path, reason=CONTAINS_ROOTS)
        elif not _is_below(link.real, self._excluded):
            self._linked.append(link)

    def _single(self, root: _Entry) -> Iterator[Found]:
        if root.error is None:
            yield VacantFolder(root.path, NO_FOLDER)
        status = _status(root)
        if isinstance(status, Skipped):
            yield status
        elif root.modality is None:
            yield Skipped(path=root.path, reason=f"{UNKNOWN_TYPE} {root.path.suffix}".rstrip())
        else:
            beside = (root.path.with_suffix(suffix) for suffix in sorted(SIDECAR_SUFFIXES - {root.suffix}))
            named = [_named(path) for path in beside if os.path.lexists(path)]
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
        if file.is_link and file.error is None and not self._may_follow(file.real):
            return Skipped(path=file.path, reason=LEADS_OUTSIDE)
        return _status(file)

    def _may_follow(self, real: str) -> bool:
        return self._is_inside(real) or (self._follow_links and not _is_below(real, self._excluded))

    def _is_inside(self, real: str) -> bool:
        return _is_below(real, self._root_folders) and not _is_below(real, self._excluded)


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


def _examined(name: os.DirEntry[str], folder: _Entry) -> _Entry:
    """Return the entry of a name in a folder; only of a link is asked what it leads to."""
    path, real = Path(name.path), folder.real.rstrip(os.sep) + os.sep + name.name
    try:
        if not name.is_symlink():
            return _Entry(path, real, is_folder=name.is_dir())
    except OSError as error:
        return _Entry(path, real, error=error)
    return _followed(path, real)


def _named(path: Path) -> _Entry:
    """Return the entry of a path that was not found in a listing: a root, or a file beside one."""
    try:
        is_link = path.is_symlink()
        real = os.path.realpath(path)
    except OSError as error:
        return _Entry(path, str(path), error=error)
    return replace(_followed(path, real), is_link=is_link)


def _followed(path: Path, real: str) -> _Entry:
    """Return the entry of a link, followed; `real` stands for what cannot be examined."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        return _Entry(path, os.path.realpath(path, strict=True), is_link=True, is_folder=is_folder)
    except OSError as error:
        return _Entry(path, real, is_link=True, error=error)


def _status(file: _Entry) -> os.stat_result | Skipped:
    """Return the status of a file, links followed, or why it cannot be indexed."""
    if file.error is not None:
        return Skipped(path=file.path, reason="broken link" if file.leads_nowhere else reason_of(file.error))
    try:
        status = file.path.stat()
    except OSError as error:
        return Skipped(path=file.path, reason=reason_of(error))
    return status if stat.S_ISREG(status.st_mode) else Skipped(path=file.path, reason="not a regular file")


def _is_below(real: str, folders: Iterable[str]) -> bool:
    """Return whether a path without links is one of the folders, or below one."""
    return any(real == folder or real.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
