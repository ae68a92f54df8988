"""What a long run will cost, said once, when the first batches have shown how fast the encoder is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unite_search.cli.output import say
from unite_search.display import clock

if TYPE_CHECKING:
    from unite_search.encoders.base import Encoder
    from unite_search.report import Progress, ProgressCallback

LONG_S = 60.0


class CostNote:
    """A progress callback that hands everything on, and speaks up once in a long run of an encoder that counts."""

    def __init__(self, encoder: Callable[[], Encoder], shown: ProgressCallback) -> None:
        self._encoder = encoder
        self._shown = shown
        self._is_due = True

    def __call__(self, progress: Progress) -> None:
        """Take note of where the run stands."""
        self._shown(progress)
        if self._is_due and progress.scan_finished and (progress.remaining_s or 0.0) > LONG_S:
            work = getattr(self._encoder(), "work", None)
            if work is None or not work.items:
                return
            self._is_due = False
            left, rest = progress.files_total - progress.files_done, clock(progress.remaining_s or 0.0)
            tokens, padding = work.tokens / work.items, work.padded_tokens / work.tokens - 1
            say(
                f"{left:,} files left, about {rest}: {tokens:,.0f} tokens an item, {padding:.0%} of padding; "
                "--max-pixels, --fps and --max-frames make it cheaper"
            )
