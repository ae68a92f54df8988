"""Limit the size and duration of every request body, and add security headers to every response."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unite_search.server.problems import Refusal, problem_response
from unite_search.server.settings import Limits

UPLOADS = frozenset({"/api/v1/uploads", "/api/v1/items"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}


class Envelope:
    """ASGI middleware that limits request bodies and adds headers to responses."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a limited body, and its response with more headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = _Response(scope, send)
        max_bytes = self._limits.upload_bytes if scope["path"] in UPLOADS else self._limits.body_bytes
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > max_bytes:
            await _too_large(max_bytes)(scope, receive, response.send)
            return
        await self._app(scope, _Body(receive, self._limits, max_bytes).receive, response.send)


class _Body:
    """Counts the bytes and the time of a request body."""

    def __init__(self, receive: Receive, limits: Limits, max_bytes: int) -> None:
        self._receive = receive
        self._limits = limits
        self._max_bytes = max_bytes
        self._received = 0
        self._is_complete = False
        self._started = time.monotonic()

    async def receive(self) -> Message:
        """Receive the next part of the body within the limits; after the last part there is no limit.

        Raises:
            Refusal: the body is too large, or too slow.
        """
        if self._is_complete:
            return await self._receive()
        spent = time.monotonic() - self._started
        allowed = self._limits.receive_s + self._received / self._limits.slowest_bytes_per_s
        try:
            message = await asyncio.wait_for(self._receive(), max(allowed - spent, 0.0))
        except (TimeoutError, asyncio.TimeoutError):
            raise Refusal(408, "the request arrived too slowly", {"Connection": "close"}) from None
        self._received += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._received > self._max_bytes:
            raise Refusal(413, _size_message(self._max_bytes), {"Connection": "close"})
        return message


class _Response:
    """Adds security headers to a response."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._is_page = scope["path"] in ("/", "/docs")
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = PAGE_POLICY if self._is_page else OTHER_POLICY
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _size_message(max_bytes: int) -> str:
    return f"the request is larger than {max_bytes:,} bytes"


def _too_large(max_bytes: int) -> ASGIApp:
    return problem_response(413, _size_message(max_bytes), headers={"Connection": "close"})
