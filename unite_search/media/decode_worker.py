"""What a process of the decode pool does: hash a file, ask whether it is wanted, read it, send what it holds.

The parent sends files, and an answer for each hash; `decode_pool` is the other end. The facts and the draft of an image
are sent in one message, the passages of a text many at a time, and clips one by one as they are decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection

from unite_search.errors import UnreadableFileError
from unite_search.media.facts import storable
from unite_search.media.messages import Completed, Hashed, Message, written
from unite_search.media.read import read_file
from unite_search.media.reasons import failure_reason
from unite_search.media.sidecars import hash_file
from unite_search.media.types import Facts, MediaFile, ReadOptions, Skipped
from unite_search.media.wire import send

GROUP = {"image": 3, "text": 64, "video": 1}
"""Messages that are sent together; an image gives three."""


def serve(connection: Connection, options: ReadOptions) -> None:
    """Read files until the parent closes the pipe, which raises EOFError or OSError."""
    inbox = _Inbox(connection)
    while True:
        _handle(inbox.next_file(), options, inbox)


class _Inbox:
    """The worker's end of the pipe; it queues files that arrive while an answer is awaited."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files: deque[MediaFile] = deque()

    def next_file(self) -> MediaFile:
        while not self._files:
            self._files.append(self._connection.recv())
        return self._files.popleft()

    def answer(self) -> bool:
        while not isinstance(received := self._connection.recv(), bool):
            self._files.append(received)
        return received

    def send(self, messages: Sequence[Message]) -> None:
        send(self._connection, [written(message) for message in messages])


def _handle(file: MediaFile, options: ReadOptions, inbox: _Inbox) -> None:
    """Send what one file holds, up to `Completed` or `Skipped`; only `Hashed` for a file that is not wanted."""
    try:
        hashes = hash_file(file)
    except UnreadableFileError as error:
        inbox.send([Skipped(path=file.path, reason=str(error))])
        return
    inbox.send([Hashed(hashes)])
    if inbox.answer():
        messages = _read(file, options)
        while group := list(islice(messages, 1 if file.may_move else GROUP[file.modality])):
            inbox.send(group)


def _read(file: MediaFile, options: ReadOptions) -> Iterator[Message]:
    """Yield facts and drafts, then `Completed`, or `Skipped` after an error."""
    try:
        for message in read_file(file, options):
            yield storable(message) if isinstance(message, Facts) else message
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        yield Skipped(path=file.path, reason=failure_reason(error))
    else:
        yield Completed()
