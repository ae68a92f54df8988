"""Show progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unite_search.cli.output import messages, say
from unite_search.display import clock, counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from unite_search.encoders.base import Encoder
    from unite_search.report import Progress, ProgressCallback

LINE_EVERY_S = 5.0
LONG_S = 60.0
STAGES = {"scan": "Scanning", "index": "Indexing", "compact": "Compacting", "done": "Done"}


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[ProgressCallback | None]:
    """Yield a callback that shows progress in the way that stderr allows; None if quiet."""
    if quiet:
        yield None
    elif messages.is_terminal:
        with _new_bar() as bar:
            yield _BarCallback(bar)
    else:
        yield _LineCallback()


@contextmanager
def shown_count(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback of (done, total) that shows simple progress; None if quiet."""
    if quiet:
        yield None
    elif messages.is_terminal:
        from rich.progress import Progress

        with Progress(console=messages, transient=True) as bar:
            task = bar.add_task(what)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        say(f"{what} ...")
        yield _CountLines(what)


def rate_and_rest(progress: Progress) -> str:
    """Return the speed and the remaining time, as far as they are known."""
    known = [f"{progress.rate:,.1f} files/s"] if progress.rate else []
    if progress.remaining_s is not None:
        known.append(f"{clock(progress.remaining_s)} left")
    return ", ".join(known)


def item_counts(progress: Progress) -> str:
    """Return how many items are committed, and how many more of unfinished files are embedded."""
    more = progress.embedded - progress.items
    return counted(progress.items, "item") + (f" and {more:,} of unfinished files" if more > 0 else "")


def _new_bar() -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("files  {task.fields[items]}  {task.fields[rest]}"),
        console=messages,
        transient=True,
    )


class CostNote:
    """A progress callback that passes everything on, and once in a long run prints what an item costs the encoder."""

    def __init__(self, encoder: Callable[[], Encoder], shown: ProgressCallback) -> None:
        self._encoder = encoder
        self._shown = shown
        self._is_due = True

    def __call__(self, progress: Progress) -> None:
        """Pass progress on, and print what an item costs once that is known."""
        self._shown(progress)
        if self._is_due and progress.scan_finished and (progress.remaining_s or 0.0) > LONG_S:
            work = self._encoder().workload
            if work is None or not work.items:
                return
            self._is_due = False
            left, rest = progress.files_total - progress.files_done, clock(progress.remaining_s or 0.0)
            tokens, padding = work.tokens / work.items, work.padded_tokens / work.tokens - 1
            say(
                f"{left:,} files left, about {rest}: {tokens:,.0f} tokens an item, {padding:.0%} of padding; "
                "--max-pixels, --fps and --max-frames make it cheaper"
            )


class _BarCallback:
    """Updates a progress bar, which pulses until the number of files is known."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task(STAGES["scan"], total=None, items="", rest="")

    def __call__(self, progress: Progress) -> None:
        skipped = f", {progress.skipped:,} skipped" if progress.skipped else ""
        self._bar.update(
            self._task,
            description=STAGES[progress.stage],
            completed=progress.files_done,
            total=progress.files_total if progress.scan_finished else None,
            items=item_counts(progress) + skipped,
            rest=rate_and_rest(progress),
        )


class _CountLines:
    """Writes a line every few seconds, with the remaining time at the average speed so far."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = time.monotonic()
        self._due = self._started + LINE_EVERY_S

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._due or not done:
            return
        self._due = now + LINE_EVERY_S
        left = (now - self._started) / done * (total - done)
        say(f"{self._what}: {done:,} of {total:,}, {clock(left)} left")


class _LineCallback:
    """Writes a line every few seconds."""

    def __init__(self) -> None:
        self._due = time.monotonic() + LINE_EVERY_S

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LINE_EVERY_S
        total = f"{progress.files_total:,}" + ("" if progress.scan_finished else "+")
        parts = [
            f"{STAGES[progress.stage]}: {progress.files_done:,} of {total} files",
            item_counts(progress),
            f"{progress.skipped:,} skipped",
            rate_and_rest(progress),
        ]
        say(", ".join(part for part in parts if part))
