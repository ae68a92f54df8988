"""The settings of the server, and the limits that protect it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from unite_search.errors import UniteSearchError

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
MIB = 1 << 20
OWN_FOLDERS = frozenset({"api", "docs", "health", "metrics", "openapi.json", "ready", "static"})
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[\w.~-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest requests and loads that the server accepts.

    Attributes:
        body_bytes: size of a JSON request.
        upload_bytes: size of an uploaded file.
        receiving_bytes: size of all files together that are being received, of which one client may have half.
        receive_s: time to receive a whole request; large uploads get more, see `slowest_bytes_per_s`.
        slowest_bytes_per_s: an upload that is slower than this is refused.
        fetch_s: time to fetch a URL, from the request to its last byte.
        fetches: URLs that are fetched at a time; as many again may wait, for half of that time.
        image_pixels: pixels of an uploaded picture.
        video_pixels: pixels of a frame of an uploaded clip.
        video_s: length of an uploaded clip.
        decode_s: time to read one file.
        kept_bytes: memory for decoded uploads of all clients together; the oldest are dropped first.
        kept_s: time for which an upload can be searched with.
        waiting_queries: queries that may wait for the encoder before new ones are refused.
        connections: open connections in all.
        connections_per_client: open connections of one client; see `guard.client_at`.
        head_s: time to receive the whole head of a request.
    """

    body_bytes: int = 64 << 10
    upload_bytes: int = 200 * MIB
    receiving_bytes: int = 1024 * MIB
    receive_s: float = 20.0
    slowest_bytes_per_s: float = 100_000.0
    fetch_s: float = 20.0
    fetches: int = 8
    image_pixels: int = 60_000_000
    video_pixels: int = 3840 * 2160
    video_s: float = 600.0
    decode_s: float = 30.0
    kept_bytes: int = 512 * MIB
    kept_s: float = 3600.0
    waiting_queries: int = 256
    connections: int = 1024
    connections_per_client: int = 256
    head_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve.

    Attributes:
        host: address to listen on.
        port: TCP port.
        token: secret that clients must send; None is allowed only if no other machine can connect.
        names: further host names under which the server is reached, such as `photos.example.org`.
        allow_write: whether clients may add and remove items.
        allow_url: whether a query may name a picture or clip by its URL.
        media_roots: folders whose files are served as well, besides those that were indexed.
        root_path: prefix of the address below which a proxy serves this server, such as `/search`; empty without one.
        rate_per_s: requests per second of one client, ten times as many in a burst; 0 for no limit.
        limits: see `Limits`.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    names: tuple[str, ...] = ()
    allow_write: bool = False
    allow_url: bool = False
    media_roots: tuple[Path, ...] = ()
    root_path: str = ""
    rate_per_s: float = 50.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UniteSearchError(
                f"{self.host} can be reached by others; give --token or $UNITE_SEARCH_TOKEN, or keep to 127.0.0.1"
            )
        if self.token is not None and len(self.token) < 8:
            raise UniteSearchError(f"the token has {len(self.token)} characters; expected at least 8")
        if not _ROOT_PATH.fullmatch(self.root_path):
            raise UniteSearchError(f"the root path is {self.root_path!r}; expected a path such as /search")
        if self.root_path[1:].partition("/")[0] in OWN_FOLDERS:
            raise UniteSearchError(
                f"the root path {self.root_path} begins like an address of the server; choose another"
            )

    @property
    def url(self) -> str:
        """The address of the page, with the token after the #, which browsers do not send to servers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.root_path}/" + (
            f"#token={quote(self.token, safe='')}" if self.token else ""
        )

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """The hosts that a Host header may name, without port; None allows any host, because a token is required.

        Without a token, this keeps another web site from reaching the server under a host name of its own.
        """
        if self.token is not None and not self.names:
            return None
        return frozenset({*LOCAL_NAMES, self.host.lower(), *(name.lower() for name in self.names)})


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
