"""Receive the body of a request into a temporary file, within a sum for all clients together."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Lock

from fastapi import Request
from starlette.requests import ClientDisconnect

from unite_search.server.guard import client_of
from unite_search.server.problems import Refusal

FULL = "the server is receiving too many files; try again when some of them have arrived"


class ReceivedBytes:
    """The bytes of all files that are being received or decoded; one client may have half of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._by_client: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """The bytes that are held now."""
        with self._lock:
            return self._by_client.total()

    @contextmanager
    def share(self, client: str) -> Iterator[Share]:
        """Provide what a request takes its bytes from; they are given back at the end."""
        share = Share(self, client)
        try:
            yield share
        finally:
            self._give_back(share)

    def take(self, client: str, size_bytes: int) -> None:
        """Count further bytes of a client.

        Raises:
            Refusal: there would be too many, of all clients or of this one.
        """
        with self._lock:
            is_full = self._by_client.total() + size_bytes > self._limit
            if is_full or self._by_client[client] + size_bytes > self._limit // 2:
                raise Refusal(503, FULL, {"Retry-After": "10", "Connection": "close"})
            self._by_client[client] += size_bytes

    def _give_back(self, share: Share) -> None:
        with self._lock:
            self._by_client[share.client] -= share.size_bytes
            if not self._by_client[share.client]:
                del self._by_client[share.client]


class Share:
    """The bytes of one request."""

    def __init__(self, received: ReceivedBytes, client: str) -> None:
        self._received = received
        self.client = client
        self.size_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Count further bytes.

        Raises:
            Refusal: there are too many.
        """
        self._received.take(self.client, size_bytes)
        self.size_bytes += size_bytes


@asynccontextmanager
async def received_file(request: Request, received: ReceivedBytes, folder: Path | None = None) -> AsyncIterator[Path]:
    """Receive a body and yield its file, which is deleted at the end unless it was moved away.

    Args:
        request: a request whose body has not been read.
        received: counts the bytes until the end of the block.
        folder: where to put the file; None for the system's folder of temporary files.

    Raises:
        Refusal: the body is empty, the client disconnected, or too much is being received.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with (
        received.share(client_of(request.scope)) as share,
        tempfile.NamedTemporaryFile(prefix=".unite-search-", dir=folder, delete=False) as stream,
    ):
        path = Path(stream.name)
        try:
            async for block in request.stream():
                share.take(len(block))
                stream.write(block)
            stream.flush()
            if not stream.tell():
                raise Refusal(422, "the body is empty; it must be a picture or a clip")
            yield path
        except ClientDisconnect:
            raise Refusal(400, "the body is incomplete") from None
        finally:
            path.unlink(missing_ok=True)
