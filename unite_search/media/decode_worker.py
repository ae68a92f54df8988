"""What a decode process does: hash a file, ask whether it is wanted, read it, send what it gives.

The parent sends files, and an answer for each hash; see `workers` for the other end. What an image gives is sent at
once, what a clip or a text gives as it comes.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from unite_search.errors import UnreadableFileError
from unite_search.media.digest import content_hash
from unite_search.media.processes import settle
from unite_search.media.read import read_file
from unite_search.media.reasons import reason_of, short
from unite_search.media.types import Draft, Facts, MediaFile, ReadOptions, Skipped

PICKLE_PROTOCOL = 5


@dataclass(frozen=True, slots=True)
class Hashed:
    """The bytes of the next file are known; the parent answers with a bool."""

    content_hash: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A file was read to its end."""

    content_hash: str


Message = Hashed | Facts | Draft | Finished | Skipped


def serve(connection: Connection, options: ReadOptions) -> None:
    """Work until the parent closes the pipe."""
    settle()
    inbox = _Inbox(connection)
    try:
        while True:
            _handle(inbox.next_file(), options, inbox)
    except (EOFError, OSError):
        return


class _Inbox:
    """The worker's end of the pipe: files may arrive while an answer is awaited."""

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
        self._connection.send_bytes(pickle.dumps(messages, PICKLE_PROTOCOL))


def _handle(file: MediaFile, options: ReadOptions, inbox: _Inbox) -> None:
    """Send what one file gives; exactly one `Finished` or `Skipped` comes last, or nothing after a refused hash."""
    try:
        digest = content_hash(file.path)
    except UnreadableFileError as error:
        inbox.send(Skipped(path=file.path, reason=str(error)))
        return
    inbox.send(Hashed(digest))
    if inbox.answer():
        messages = _read(file, options, digest)
        for group in _joined(messages) if file.modality == "image" else ([message] for message in messages):
            inbox.send(*group)


def _joined(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Each draft with what comes before and after it."""
    group: list[Message] = []
    for message in messages:
        if isinstance(message, Draft) and any(isinstance(held, Draft) for held in group):
            yield group
            group = []
        group.append(message)
    yield group


def _read(file: MediaFile, options: ReadOptions, digest: str) -> Iterator[Message]:
    """Facts and drafts, then `Finished`, or `Skipped` where it went no further."""
    try:
        yield from read_file(file, options)
    except UnreadableFileError as error:
        reason = str(error)
    except MemoryError:
        reason = "needs too much memory"
    except OSError as error:
        reason = reason_of(error)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; it is reported and costs one file
        reason = f"{type(error).__name__}: {short(str(error))}"
    else:
        yield Finished(digest)
        return
    yield Skipped(path=file.path, reason=reason)
