"""Check who may send requests, and how many, before they reach the application.

- The Host header must name this server, so that no other web site can reach it under a host name of its own.
- Browsers say which site caused a request; those caused by another site are refused.
- With a token, everything except the page's own files requires it, as `Authorization: Bearer` or as the page's cookie.
- The rate of requests of each client is limited. What is refused for another reason counts apart, so that no web page
  or stranger can use up the rate of those who may.
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
CLOSE = {"Connection": "close"}
"""Sent with a refusal to a foreign request, so that it does not keep one of its client's connections."""
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
        self._refused_rate = RateLimit(settings.rate_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        response = problem_response(refusal.status_code, refusal.detail, headers=dict(refusal.headers or {}))
        await response(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Return why a request is not answered, or None."""
        headers = Headers(scope=scope)
        token = self._settings.token
        refusal = self._foreign(scope, headers) or self._stranger(scope, headers)
        is_known = refusal is None and not _is_of_other_site(headers) and (token is None or _has_token(headers, token))
        wait_s = (self._rate if is_known else self._refused_rate).wait_s(client_of(scope))
        if wait_s:
            return Refusal(429, "too many requests; slow down", {"Retry-After": str(math.ceil(wait_s))})
        return refusal

    def _foreign(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Return why a request is not meant for this server, or comes from another site, or None."""
        host = headers.get("host", "")
        if self._hosts is not None and (_netloc(f"//{host}") != host or "@" in host):
            return Refusal(400, "the Host header is malformed", CLOSE)
        if self._hosts is not None and _without_port(host) not in self._hosts:
            return Refusal(421, f"this server is not {host[:100]!r}; name it with --name, or use its address", CLOSE)
        is_link = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if _is_of_other_site(headers) and not is_link:
            return Refusal(403, "requests of other web sites are not answered", CLOSE)
        return None

    def _stranger(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Return that a request needs the token and does not have it, or None."""
        is_public = scope["path"] in PUBLIC or scope["path"].startswith(PUBLIC_FOLDER)
        if self._settings.token is None or is_public or _has_token(headers, self._settings.token):
            return None
        return Refusal(401, "a token is needed: `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})


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


def _is_of_other_site(headers: Headers) -> bool:
    """Return whether a page of another site caused a request."""
    origin = headers.get("origin")
    if origin is not None and _netloc(origin) != headers.get("host", ""):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
