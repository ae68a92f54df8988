"""How far a run of `index` is, told to other processes: a small file in the collection's folder while it goes on.

Best effort: a run never fails for it. A killed run leaves the file behind, so an old one says nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from unite_search.files import write_atomically
from unite_search.report import Progress, ProgressCallback

FILE_NAME = "progress.json"
WRITE_EVERY_S = 1.0
OLD_AFTER_S = 60.0


@contextmanager
def told(directory: Path, progress: ProgressCallback | None) -> Iterator[ProgressCallback]:
    """Hand out a callback that writes the file now and then, and passes on to `progress`."""
    path = directory / FILE_NAME
    written_at = float("-inf")

    def tell(current: Progress) -> None:
        nonlocal written_at
        if time.monotonic() - written_at >= WRITE_EVERY_S:
            written_at = time.monotonic()
            with suppress(OSError):
                write_atomically(path, json.dumps(asdict(current)))
        if progress is not None:
            progress(current)

    try:
        yield tell
    finally:
        with suppress(OSError):
            path.unlink()


def read_activity(directory: Path) -> Progress | None:
    """Where the run that is going on stands; None where there seems to be none."""
    path = directory / FILE_NAME
    try:
        if time.time() - path.stat().st_mtime > OLD_AFTER_S:
            return None
        return Progress(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
