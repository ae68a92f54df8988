"""What a process of the decode pool does: hash a file, ask whether it is wanted, read it, send what it holds.

The parent sends files, and an answer for each hash; `decode_pool` is the other end. The facts and the draft of an image
are sent in one message, those of a clip or a text one by one as they are decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from unite_search.errors import UnreadableFileError
from unite_search.media.decode_process import reply
from unite_search.media.read import read_file
from unite_search.media.reasons import failure_reason
from unite_search.media.sidecars import hash_sidecars
from unite_search.media.types import Draft, Facts, Hashes, MediaFile, ReadOptions, Skipped, content_hash


@dataclass(frozen=True, slots=True)
class Hashed:
    """The hashes of the next file are known; the parent answers with a bool whether to read it."""

    hashes: Hashes


@dataclass(frozen=True, slots=True)
class Finished:
    """The file was read to its end."""

    hashes: Hashes


Message = Hashed | Facts | Draft | Finished | Skipped


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

    def send(self, *messages: Message) -> None:
        reply(self._connection, messages)


def _handle(file: MediaFile, options: ReadOptions, inbox: _Inbox) -> None:
    """Send what one file holds, up to `Finished` or `Skipped`; only `Hashed` for a file that is not wanted."""
    try:
        hashes = Hashes(content_hash(file.path), hash_sidecars(file.sidecars))
    except UnreadableFileError as error:
        inbox.send(Skipped(path=file.path, reason=str(error)))
        return
    inbox.send(Hashed(hashes))
    if inbox.answer():
        messages = _read(file, options, hashes)
        for group in _batched(messages) if file.modality == "image" else ([message] for message in messages):
            inbox.send(*group)


def _batched(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Yield each draft together with the messages around it."""
    group: list[Message] = []
    for message in messages:
        if isinstance(message, Draft) and any(isinstance(held, Draft) for held in group):
            yield group
            group = []
        group.append(message)
    yield group


def _read(file: MediaFile, options: ReadOptions, hashes: Hashes) -> Iterator[Message]:
    """Yield facts and drafts, then `Finished`, or `Skipped` after an error."""
    try:
        yield from read_file(file, options)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        yield Skipped(path=file.path, reason=failure_reason(error))
    else:
        yield Finished(hashes)
