"""The file that a worker reads, as the pool sees it: what has come of it, in order, and what it may still cost.

A worker cuts a file that holds too much by itself (`read`). What is checked here holds whatever a worker does.
"""

from __future__ import annotations

from unite_search.display import clock, file_size
from unite_search.media.messages import Completed, Hashed, Message, read
from unite_search.media.read import left_out
from unite_search.media.types import Cut, Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped
from unite_search.media.wire import MalformedMessageError


class Reading:
    """What a worker has sent about the file that it reads.

    Attributes:
        file: the file.
        since_s: when the worker began with it.
        hashes: its hashes, empty until they were sent.
        drafts: the number of drafts that came.
        worked_s: the time for which the worker has worked on it.
    """

    def __init__(self, file: MediaFile, options: ReadOptions, *, since_s: float, sent_bytes: int) -> None:
        """Begin with a file at some time; its worker has sent `sent_bytes` about other files before."""
        self.file = file
        self.since_s = since_s
        self.hashes = Hashes("")
        self.drafts = 0
        self.worked_s = 0.0
        self._options = options
        self._facts: Facts | None = None
        self._end_s: float | None = None
        self._sent_bytes = sent_bytes

    def work(self, seconds: float) -> None:
        """Count time for which the worker has sent nothing; the start of its process and the hash do not count."""
        if self.hashes.content:
            self.worked_s += seconds

    def read(self, group: object) -> list[Message]:
        """Return the messages that came together, and take note of them; none follows the end of the file.

        Raises:
            MalformedMessageError: they are no messages, or not those that can come now.
        """
        if not isinstance(group, list):
            raise MalformedMessageError("no messages")
        messages = [read(data, self.file) for data in group]
        for number, message in enumerate(messages, 1):
            is_end = isinstance(message, (Completed, Skipped))
            if not isinstance(message, self._expected()) or (is_end and number < len(messages)):
                raise MalformedMessageError("messages in the wrong order")
            self._take(message)
        return messages

    def _expected(self) -> tuple[type[Message], ...]:
        if not self.hashes.content:
            return (Hashed, Skipped)
        return (Facts, Skipped) if self._facts is None else (Draft, Cut, Completed, Skipped)

    def _take(self, message: Message) -> None:
        if isinstance(message, Hashed):
            self.hashes = message.hashes
        elif isinstance(message, Facts):
            self._facts = message
        elif isinstance(message, Draft):
            self.drafts += 1
            self._end_s = message.end_s

    def excess(self, sent_bytes: int) -> str | None:
        """Say what is over the budget of a file, and what is left out if the file is cut here; None if nothing is.

        Args:
            sent_bytes: all that the worker has ever sent.
        """
        duration_s = None if self._facts is None else self._facts.duration_s
        limit_s = self._options.work_limit_s(self.file.size_bytes, duration_s)
        if self.worked_s > limit_s:
            over = f"it took longer than {clock(limit_s)}"
        elif sent_bytes - self._sent_bytes > self._options.max_handed_bytes:
            over = f"more than {file_size(self._options.max_handed_bytes)} of pictures"
        elif self.drafts > self._options.max_items:
            over = f"more than {self._options.max_items:,} items"
        else:
            return None
        return f"{over}; {left_out(self.drafts, self._end_s, duration_s)}" if self.drafts else over
