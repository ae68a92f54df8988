"""Write a folder whole or not at all: what is unfinished lies aside, hidden, and is renamed when it is complete.

A try that was killed leaves its hidden folder, which the next try for the same target removes. Each hidden folder has
a lock of its own, so nobody removes one in which another process still works.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from unite_search.errors import CollectionLockedError, UniteSearchError
from unite_search.storage.locks import write_lock

NEW, MOVING = "new", "moving.json"
NAME_CHARACTERS = 48
"""So much of the target's name is part of the hidden name; together they must fit the limit of file systems."""


@contextmanager
def whole_folder(target: Path, *, last: str) -> Iterator[Path]:
    """Provide an empty folder to write to, which becomes `target` when the block ends; after an error nothing is left.

    Where `target` exists, its new content is moved into it entry by entry, so that a mounted folder or the working
    directory can be a target.

    Args:
        target: the folder to make.
        last: the entry that says that the folder is complete; the last one to be moved.

    Raises:
        UniteSearchError: the target is not empty, or somebody else made it meanwhile.
    """
    remove_leftovers(target)
    if content(target):
        raise UniteSearchError(f"{target} is not empty; name a new folder")
    is_there = target.is_dir()
    place = target if is_there else target.parent
    place.mkdir(parents=True, exist_ok=True)
    with _hidden_folder(place, _prefix(target)) as aside:
        (aside / NEW).mkdir()
        yield aside / NEW
        _sync_to_disk(aside / NEW)
        try:
            if is_there:
                _move_into(target, aside, last=last)
            else:
                (aside / NEW).rename(target)
        except FileExistsError as error:
            raise UniteSearchError(f"{target} is not empty any more; name a new folder") from error
        except OSError as error:
            if target.is_dir() and any(target.iterdir()):
                raise UniteSearchError(f"{target} is not empty any more; name a new folder") from error
            raise


def remove_leftovers(target: Path) -> None:
    """Remove what killed tries for a target have left; tries that still run are left alone."""
    for place in {target.parent, target}:
        for aside in _hidden_in(place, _prefix(target)):
            with suppress(CollectionLockedError, FileNotFoundError), write_lock(aside):
                _undo_move(place, aside)
                shutil.rmtree(aside, ignore_errors=True)


def content(target: Path) -> list[Path]:
    """Return the entries of a folder, without what unfinished tries have hidden there; none if it does not exist."""
    if not target.is_dir():
        return []
    hidden = set(_hidden_in(target, _prefix(target)))
    return sorted(path for path in target.iterdir() if path not in hidden)


def _prefix(target: Path) -> str:
    return f".{target.name[:NAME_CHARACTERS]}.unfinished-"


def _hidden_in(place: Path, prefix: str) -> list[Path]:
    if not place.is_dir():
        return []
    return [path for path in place.iterdir() if path.name.startswith(prefix)]


@contextmanager
def _hidden_folder(place: Path, prefix: str) -> Iterator[Path]:
    """Create a folder and hold its lock; in the end it is removed.

    Until the lock is held, another process may take the folder for a leftover and remove it; then a new one is made.
    """
    with ExitStack() as stack:
        while True:
            aside = place / f"{prefix}{uuid4().hex[:12]}"
            aside.mkdir()
            with suppress(CollectionLockedError, FileNotFoundError):
                stack.enter_context(write_lock(aside))
                break
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _move_into(target: Path, aside: Path, *, last: str) -> None:
    """Move the new entries into a folder; a list of them is written first, so that a killed move can be undone.

    The list is in the order of the moves, and ends with `last`.
    """
    names = sorted((path.name for path in (aside / NEW).iterdir()), key=lambda name: name == last)
    taken = [name for name in names if os.path.lexists(target / name)]
    if taken:
        raise UniteSearchError(f"{target / taken[0]} exists already; name a new folder")
    (aside / MOVING).write_text(json.dumps(names), encoding="utf-8")
    moved: list[Path] = []
    try:
        for name in names:
            (aside / NEW / name).rename(target / name)
            moved.append(target / name)
    except OSError:
        for path in moved:
            _remove(path)
        raise


def _undo_move(target: Path, aside: Path) -> None:
    """Remove what a killed move has moved already, unless it was complete."""
    with suppress(OSError, ValueError):
        names = json.loads((aside / MOVING).read_text(encoding="utf-8"))
        left = {path.name for path in (aside / NEW).iterdir()}
        if names[-1] in left:
            for name in set(names) - left:
                _remove(target / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_to_disk(folder: Path) -> None:
    """Have the system write every file of a folder, so that none is empty after a power failure."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream, suppress(OSError):
                os.fsync(stream.fileno())
