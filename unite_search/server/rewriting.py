"""Rewrite requests before they are routed: take off the prefix of a proxy, and answer HEAD like GET without a body.

A reverse proxy may serve this application below a prefix such as `/search`. Some proxies take the prefix off before
they pass a request on, some do not; both are understood.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

NEEDS_SLASH = "unite_search.needs_slash"
"""Set in the scope of a request for the prefix itself, below which the relative addresses of the page need a slash."""
_IS_HEAD = "unite_search.is_head"


class PrefixRemover:
    """ASGI middleware that takes a prefix off the path of each request that has it."""

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under the path that the routes know."""
        if scope["type"] == "http" and self._prefix:
            scope = self._without_prefix(scope)
        await self._app(scope, receive, send)

    def _without_prefix(self, scope: Scope) -> Scope:
        path = scope["path"]
        if path == self._prefix:
            return {**scope, "path": "/", "raw_path": b"/", NEEDS_SLASH: True}
        if path.startswith(f"{self._prefix}/"):
            raw_path = scope.get("raw_path", b"").removeprefix(self._prefix.encode())
            return {**scope, "path": path.removeprefix(self._prefix), "raw_path": raw_path}
        return scope


class HeadAsGet:
    """ASGI middleware that routes HEAD as GET; the server below sends the headers alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note the route that it took where other middleware looks for it."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        routed = {**scope, "method": "GET", _IS_HEAD: True}
        try:
            await self._app(routed, receive, send)
        finally:
            if "route" in routed:
                scope["route"] = routed["route"]


def is_head(scope: Scope) -> bool:
    """Return whether a request that was routed as GET is a HEAD request, so that no body need be read."""
    return bool(scope.get(_IS_HEAD))
