"""Counting a run: how far it is, how fast, how long it will take."""

from __future__ import annotations

import time
from collections import deque

from unite_search.report import Progress, ProgressCallback, Stage

SHOW_EVERY_S = 0.2
RATE_WINDOW_S = 15.0


class Meter:
    """Turns single events into a few `Progress` calls a second."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._total = 0
        self._done = 0
        self._scan_finished = False
        self._shown_at = 0.0
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def found(self) -> None:
        """One more file to look at."""
        self._total += 1

    def finished(self) -> None:
        """One file is settled."""
        self._done += 1

    def scan_finished(self) -> None:
        """The total will not grow any more."""
        self._scan_finished = True

    def show(self, *, items: int, skipped: int, stage: Stage = "index") -> None:
        """Tell the callback, unless it was told a moment ago about the same stage."""
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
