"""Change collections for clients, if the server was started with `--allow-write`.

Each change opens the collection for itself, as the command line does; readers follow it like any other writer.
"""

from __future__ import annotations

import logging
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from pathlib import Path

from unite_search.collection import Collection
from unite_search.media.scan import MODALITY_OF
from unite_search.report import IndexReport
from unite_search.server.problems import Refusal
from unite_search.server.reader import Reader

NOTICE_S = 0.5
"""A run that cannot start because another process is writing fails within this time."""
_NAME = re.compile(r"\w[\w .()+-]{0,120}", re.ASCII)

log = logging.getLogger(__name__)


class Writer:
    """Makes one change at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="unite-search write")
        self._run: Future[IndexReport] | None = None

    def start_index(self, reader: Reader) -> None:
        """Index the folders that were indexed before again, in the background.

        Raises:
            Refusal: a run is in progress already.
            CollectionLockedError: another process is writing.
        """
        if self._run is not None and not self._run.done():
            raise Refusal(409, "a run is in progress already; its progress is in the status")
        self._run = self._pool.submit(_indexed, reader, [])
        self._run.add_done_callback(_log_failure)
        try:
            self._run.result(NOTICE_S)
        except StillRunning:
            return

    def add(self, reader: Reader, received: Path, name: str, folder: Path) -> int:
        """Move a received file into a folder, under a name that is free there, and index it.

        Returns:
            The number of its items.

        Raises:
            Refusal: the file cannot be read, or no name is free.
            UniteSearchError: the file cannot be indexed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        target = _free_path(folder, name)
        received.replace(target)
        report = self._pool.submit(_indexed, reader, [folder]).result()
        for skipped in report.skipped:
            if skipped.path == target:
                target.unlink()
                raise Refusal(422, f"{name}: {skipped.reason}")
        return report.items

    def remove(self, reader: Reader, item_id: int) -> int:
        """Remove an item from the collection, but not its file; return the number of items removed."""

        def remove() -> int:
            with Collection.open(reader.collection.directory) as collection:
                return collection.remove(ids=[item_id])

        return self._pool.submit(remove).result()

    def stop(self) -> None:
        """Wait for the change in progress; drop those that wait."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def checked_name(name: str) -> str:
    """Return a name if it is a plain file name, without a folder, of a type that can be indexed.

    Raises:
        Refusal: it is not.
    """
    if not _NAME.fullmatch(name) or Path(name).suffix.lower() not in MODALITY_OF:
        known = " ".join(sorted(MODALITY_OF))
        raise Refusal(422, f"the name must be letters, digits and spaces, and end in one of {known}")
    return name


def _indexed(reader: Reader, paths: list[Path]) -> IndexReport:
    with Collection.open(reader.collection.directory, encoder=reader.encoder) as collection:
        return collection.index(paths)


def _log_failure(run: Future[IndexReport]) -> None:
    if not run.cancelled() and (error := run.exception()) is not None:
        log.error("indexing failed: %s", error)


def _free_path(folder: Path, name: str) -> Path:
    """Return a path that was free, and reserve it with an empty file."""
    stem, suffix = Path(name).stem, Path(name).suffix
    for number in range(1, 10_000):
        path = folder / (name if number == 1 else f"{stem}-{number}{suffix}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        return path
    raise Refusal(409, f"there are too many files named {name}")
