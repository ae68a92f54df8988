"""Limit connections: how many there are, in all and of one client, and how long one may send no request.

uvicorn does not limit how long the head of a request may take, and answers 503 to everybody once one client holds all
connections; here, further connections of that client are closed instead.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

from unite_search.server.guard import client_at
from unite_search.server.settings import Limits


def limited_protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's HTTP protocol, restricted by limits."""
    by_client: Counter[str] = Counter()

    class LimitedProtocol(H11Protocol):
        """One connection."""

        _counted_for: str | None = None
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Accept the connection, or close it at once if there are too many."""
            client = client_at(str((transport.get_extra_info("peername") or ("",))[0]))
            if by_client.total() >= limits.connections or by_client[client] >= limits.connections_per_client:
                transport.abort()
                return
            by_client[client] += 1
            self._counted_for = client
            super().connection_made(transport)
            self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            """Remove the connection from the count."""
            if self._counted_for is None:
                return
            by_client[self._counted_for] -= 1
            if not by_client[self._counted_for]:
                del by_client[self._counted_for]
            self._stop_timer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Handle bytes, unless the connection was not accepted."""
            if self._counted_for is not None:
                super().data_received(data)
                self._stop_timer_within_request()

        def on_response_complete(self) -> None:
            """Wait for the next request, which may have arrived already."""
            self._start_timer()
            super().on_response_complete()
            self._stop_timer_within_request()

        def _stop_timer_within_request(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_timer()

        def _start_timer(self) -> None:
            self._stop_timer()
            if not self.transport.is_closing():
                self._head_timer = self.loop.call_later(limits.head_s, self.transport.abort)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    return LimitedProtocol
