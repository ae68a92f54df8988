"""Progress of a run of `index`: counts and estimates for the caller, and a file for other processes."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from indexers.atomic import write_text
from unite_search.report import Progress, ProgressCallback, Stage

SHOW_EVERY_S = 0.2
RATE_WINDOW_S = 15.0
FILE_NAME = "progress.json"
WRITE_EVERY_S = 1.0
OLD_AFTER_S = 60.0


class Meter:
    """Counts events and calls the progress callback a few times per second."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._total = 0
        self._done = 0
        self._scan_finished = False
        self._shown_at = 0.0
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def found(self) -> None:
        """Count one more file that the scan found."""
        self._total += 1

    def finished(self) -> None:
        """Count one file as done."""
        self._done += 1

    def scan_finished(self) -> None:
        """Note that the total is final."""
        self._scan_finished = True

    def show(self, *, items: int, embedded: int, skipped: int, stage: Stage = "index") -> None:
        """Call the callback, unless it was called a moment ago for the same stage."""
        now = time.monotonic()
        if self._callback is None or (stage == "index" and now - self._shown_at < SHOW_EVERY_S):
            return
        self._shown_at = now
        rate = self._rate(now)
        left = self._total - self._done
        self._callback(
            Progress(
                stage=stage,
                files_total=self._total,
                files_done=self._done,
                items=items,
                embedded=embedded,
                skipped=skipped,
                scan_finished=self._scan_finished,
                rate=rate,
                remaining_s=left / rate if rate and self._scan_finished else None,
            )
        )

    def _rate(self, now: float) -> float:
        self._history.append((now, self._done))
        while now - self._history[0][0] > RATE_WINDOW_S and len(self._history) > 2:
            self._history.popleft()
        then, done = self._history[0]
        return (self._done - done) / (now - then) if now > then else 0.0


@contextmanager
def progress_file(directory: Path, progress: ProgressCallback | None) -> Iterator[ProgressCallback]:
    """Hand out a callback that writes the progress file about once a second and calls `progress`.

    Best effort: a run never fails because of this file. The file is removed at the end, and not written again.
    """
    path = directory / FILE_NAME
    written_at = float("-inf")

    def tell(current: Progress) -> None:
        nonlocal written_at
        if time.monotonic() - written_at >= WRITE_EVERY_S:
            written_at = time.monotonic()
            with suppress(OSError):
                write_text(path, json.dumps(asdict(current)))
        if progress is not None:
            progress(current)

    try:
        yield tell
    finally:
        written_at = float("inf")
        with suppress(OSError):
            path.unlink()


def read_progress(directory: Path) -> Progress | None:
    """Read how far the current run of `index` is; None without one.

    A killed run leaves its file behind; a file that has not changed for a minute is ignored.
    """
    path = directory / FILE_NAME
    try:
        if time.time() - path.stat().st_mtime > OLD_AFTER_S:
            return None
        return Progress(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
