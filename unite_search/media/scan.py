"""Walk folders and yield their media files lazily, without opening any of them.

Hidden names, unknown extensions and excluded folders are left out. A link to a folder is followed only if its target
lies outside everything that is walked anyway, which also rules out loops.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unite_search.errors import UniteSearchError
from unite_search.media.reasons import reason_of
from unite_search.media.types import MediaFile, Skipped
from unite_search.media.uri import absolute
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

Found = MediaFile | Skipped


def scan(paths: Sequence[Path], *, exclude: Sequence[Path]) -> Iterator[Found]:
    """Yield the media files at or below some paths; of each folder its files come first, sorted, then its subfolders.

    Args:
        paths: folders, or single files.
        exclude: paths not to enter.

    Raises:
        UniteSearchError: a path does not exist; raised before anything is read.
    """
    roots = [absolute(path) for path in paths]
    for root in roots:
        if not root.exists():
            raise UniteSearchError(f"{root} does not exist; expected a folder or a file")
    return _Walk(roots, exclude).run()


class _Walk:
    """One pass over some roots, which remembers the real folders that it covers."""

    def __init__(self, roots: Sequence[Path], exclude: Sequence[Path]) -> None:
        self._roots = roots
        self._excluded = {str(absolute(path)) for path in exclude}
        self._covered = [root.resolve() for root in roots if root.is_dir()]

    def run(self) -> Iterator[Found]:
        for root in self._roots:
            if str(root) in self._excluded:
                continue
            if root.is_dir():
                yield from self._below(root)
            else:
                yield _single(root)

    def _below(self, root: Path) -> Iterator[Found]:
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                yield Skipped(path=folder, reason=reason_of(error))
                continue
            entries = [entry for entry in entries if not entry.name.startswith(".")]
            folders = [Path(entry.path) for entry in entries if _is_folder(entry) and self._may_enter(entry)]
            files = {entry.name: Path(entry.path) for entry in entries if not _is_folder(entry)}
            yield from _media_of(files)
            waiting += reversed(folders)

    def _may_enter(self, entry: os.DirEntry[str]) -> bool:
        if entry.path in self._excluded:
            return False
        if not entry.is_symlink():
            return True
        target = Path(entry.path).resolve()
        is_outside = not any(target.is_relative_to(known) or known.is_relative_to(target) for known in self._covered)
        if is_outside:
            self._covered.append(target)
        return is_outside


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; a link to itself, which cannot be examined, counts as a file."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _single(path: Path) -> Found:
    modality = MODALITY_OF.get(path.suffix.lower())
    if modality is None:
        return Skipped(path=path, reason=f"unknown file type {path.suffix}".rstrip())
    beside = {suffix: path.with_suffix(suffix) for suffix in SIDECAR_SUFFIXES}
    return _found(path, modality, [] if modality == "text" else [other for other in beside.values() if other.is_file()])


def _media_of(files: Mapping[str, Path]) -> Iterator[Found]:
    """Yield the media files among the files of one folder, in the order given, each with its sidecars."""
    sidecars: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files.values():
        if path.suffix.lower() in SIDECAR_SUFFIXES:
            sidecars[path.stem].append(path)
    described = {path.stem for path in files.values() if MODALITY_OF.get(path.suffix.lower(), "text") != "text"}
    for path in files.values():
        suffix = path.suffix.lower()
        modality = MODALITY_OF.get(suffix)
        if modality is None or (suffix in SIDECAR_SUFFIXES and path.stem in described):
            continue
        yield _found(path, modality, [] if modality == "text" else sidecars[path.stem])


def _found(path: Path, modality: ModalityName, sidecars: Sequence[Path]) -> Found:
    try:
        status = path.stat()
    except OSError as error:
        return Skipped(path=path, reason="broken link" if path.is_symlink() else reason_of(error))
    if not stat.S_ISREG(status.st_mode):
        return Skipped(path=path, reason="not a regular file")
    states = {sidecar: state for sidecar in sorted(sidecars) if (state := _state(sidecar))}
    return MediaFile(
        path=path,
        modality=modality,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sidecars=tuple(states),
        sidecar_state=",".join(states.values()),
    )


def _state(sidecar: Path) -> str:
    """Return a text that changes when the sidecar does, whatever its name; empty if it is not a readable file."""
    try:
        status = sidecar.stat()
    except OSError:
        return ""
    if not stat.S_ISREG(status.st_mode):
        return ""
    return f"{sidecar.suffix.lower()}:{status.st_size}:{status.st_mtime_ns}"
