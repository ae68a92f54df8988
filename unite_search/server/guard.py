"""Check who may send requests, and how many, before they reach the application.

- The Host header must name this server, so that no other web site can reach it under a host name of its own.
- Browsers say which site caused a request; those caused by another site are refused.
- With a token, everything except the page's own files requires it, as `Authorization: Bearer` or as the page's cookie.
- The rate of requests of each client is limited.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from unite_search.server.problems import Refusal, problem_response
from unite_search.server.settings import Settings

COOKIE = "unite_search_session"
PUBLIC = frozenset({"/", "/docs", "/openapi.json", "/health", "/ready", "/api/v1/session"})
PUBLIC_FOLDER = "/static/"
BURST_S = 10.0
MAX_CLIENTS = 10_000


class RateLimit:
    """A token bucket for each client, filled at a steady rate."""

    def __init__(self, rate_per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Take one request from the bucket of a client; return 0, or the seconds to wait if the bucket is empty."""
        if not self._rate_per_s:
            return 0.0
        now = self._clock()
        full = self._rate_per_s * BURST_S
        left, filled_at = self._buckets.pop(client, (full, now))
        left = min(full, left + (now - filled_at) * self._rate_per_s)
        is_allowed = left >= 1
        self._buckets[client] = (left - is_allowed, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if is_allowed else (1 - left) / self._rate_per_s


class Guard:
    """ASGI middleware that refuses requests that are not allowed."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = settings.allowed_hosts
        self._rate = RateLimit(settings.rate_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Refusal as refusal:
            response = problem_response(refusal.status_code, refusal.detail, headers=dict(refusal.headers or {}))
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        wait_s = self._rate.wait_s(client_of(scope))
        if wait_s:
            raise Refusal(429, "too many requests; slow down", {"Retry-After": str(math.ceil(wait_s))})
        host = headers.get("host", "")
        if self._hosts is not None and urlsplit(f"//{host}").netloc.rpartition("@")[2] != host:
            raise Refusal(400, "the Host header is malformed")
        if self._hosts is not None and _without_port(host) not in self._hosts:
            raise Refusal(421, f"this server is not {host[:100]!r}; name it with --name, or use its address")
        _refuse_other_sites(scope, headers, host)
        is_public = scope["path"] in PUBLIC or scope["path"].startswith(PUBLIC_FOLDER)
        if self._settings.token is not None and not is_public and not _has_token(headers, self._settings.token):
            raise Refusal(401, "a token is needed: `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})


def session_cookie(token: str) -> str:
    """Return the value of the cookie that a browser keeps instead of the token."""
    return hmac.new(token.encode(), b"unite-search session", hashlib.sha256).hexdigest()


def client_of(scope: Scope) -> str:
    """Return the client that sent a request, as `client_at` names it."""
    return client_at((scope.get("client") or ("",))[0])


def client_at(address: str) -> str:
    """Return the client at an address: the address, or for IPv6 its /64 network, which one client usually has whole."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped:
        known = known.ipv4_mapped
    if known.version == 4 or known.is_loopback:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))


def _has_token(headers: Headers, token: str) -> bool:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    kept = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return hmac.compare_digest(kept.encode(), session_cookie(token).encode())


def _refuse_other_sites(scope: Scope, headers: Headers, host: str) -> None:
    """Refuse a request that a page of another site caused, except for a plain link to the page."""
    is_link = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
    origin = headers.get("origin")
    is_foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    if origin is not None and urlsplit(origin).netloc != host:
        is_foreign = True
    if is_foreign and not is_link:
        raise Refusal(403, "requests of other web sites are not answered")


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
