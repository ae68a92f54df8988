"""Fetch a picture or clip from a URL, if the server was started with `--allow-url`.

Only public addresses are connected to. The host name is resolved once and the connection goes to the address that was
checked, so that the name cannot resolve to another one in between; every redirect is checked like the first URL.

One deadline holds for everything: looking up names, connecting, TLS, headers, body, and all of it again after a
redirect. When it has passed, the connection is shut down from another thread, so a host that sends a byte now and then
gains nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult, urljoin, urlsplit

from unite_search.server.addresses import is_public, parsed
from unite_search.server.problems import Refusal
from unite_search.server.settings import Limits

PORTS = {"http": 80, "https": 443}
MAX_REDIRECTS = 3
BLOCK_BYTES = 64 << 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_LOOK_UPS = 16
"""The system's look-up of names cannot be stopped; so many may outlast their deadlines before others are refused."""

_look_ups = threading.BoundedSemaphore(MAX_LOOK_UPS)

Taken = Callable[[int], None]
Found = list[str] | Exception


class Deadline:
    """The moment at which a fetch ends, whatever it is doing."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            Refusal: none are left.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise Refusal(422, "the URL answers too slowly")
        return left

    @contextmanager
    def cutting(self, connection: socket.socket) -> Iterator[None]:
        """Shut a connection down when the time is over, which ends whatever waits for it."""
        timer = threading.Timer(self.left_s(), _shut_down, [connection])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def fetch(
    url: str, target: Path, limits: Limits, *, deadline: Deadline | None = None, taken: Taken = lambda _: None
) -> None:
    """Download a URL to a file.

    Args:
        url: what to fetch.
        target: where to put it.
        limits: how much is taken, and for how long.
        deadline: when it ends; None for `limits.fetch_s` from now.
        taken: called with the number of bytes of each block before it is written; may refuse them.

    Raises:
        Refusal: the URL is not allowed, cannot be fetched, is too large, or is too slow.
    """
    deadline = deadline or Deadline(limits.fetch_s)
    for _ in range(MAX_REDIRECTS + 1):
        try:
            location = _fetch_once(url, target, limits, deadline, taken)
        except (OSError, http.client.HTTPException, ValueError) as error:
            deadline.left_s()
            raise Refusal(422, f"the URL cannot be fetched: {error}") from error
        if location is None:
            return
        url = urljoin(url, location)
    raise Refusal(422, f"the URL redirects more than {MAX_REDIRECTS} times")


def public_address(host: str, port: int, deadline: Deadline) -> str:
    """Return the first address of a host name.

    Raises:
        Refusal: the name has no address, or one that is not public, or the name service is too slow.
    """
    addresses = [parsed(text) for text in _looked_up(host, port, deadline)]
    if not all(map(is_public, addresses)):
        raise Refusal(422, f"{host[:100]!r} has an address that is not public")
    return str(addresses[0])


def _looked_up(host: str, port: int, deadline: Deadline) -> list[str]:
    """Ask for the addresses of a name in a thread that is left behind when the time is over."""
    if not _look_ups.acquire(blocking=False):
        raise Refusal(503, "the name service does not answer; try again", {"Retry-After": "10"})
    answers: SimpleQueue[Found] = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), name="unite-search look-up", daemon=True).start()
    try:
        found = answers.get(timeout=deadline.left_s())
    except Empty:
        raise Refusal(422, "the URL answers too slowly") from None
    if isinstance(found, Exception) or not found:
        raise Refusal(422, f"no address is known for {host[:100]!r}")
    return found


def _look_up(host: str, port: int, answers: SimpleQueue[Found]) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answers.put([str(entry[4][0]) for entry in entries])
    except (OSError, UnicodeError) as error:
        answers.put(error)
    finally:
        _look_ups.release()


def _fetch_once(url: str, target: Path, limits: Limits, deadline: Deadline, taken: Taken) -> str | None:
    """Download a URL and return None, or return the location that it redirects to."""
    parts = _parts(url)
    host, port = str(parts.hostname), PORTS[parts.scheme]
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    with _connected(parts.scheme, host, port, deadline) as connection:
        connection.request("GET", path, headers={"Accept": "image/*,video/*"})
        with connection.getresponse() as response:
            if response.status in REDIRECTS:
                return response.getheader("Location") or ""
            if response.status != 200:
                raise Refusal(422, f"the URL answers with status {response.status}")
            _save(response, target, limits, deadline, taken)
    return None


def _parts(url: str) -> SplitResult:
    """Split a URL.

    Raises:
        Refusal: it is not one that may be fetched.
    """
    with suppress(ValueError):
        parts = urlsplit(url)
        own_port = PORTS.get(parts.scheme)
        if own_port and parts.hostname and not parts.username and parts.port in (None, own_port):
            return parts
    raise Refusal(422, "the URL must be http or https, without a user or a port")


@contextmanager
def _connected(scheme: str, host: str, port: int, deadline: Deadline) -> Iterator[http.client.HTTPConnection]:
    """Connect to a host, and close the connection at the end of the block or at the deadline."""
    address = public_address(host, port, deadline)
    raw = socket.create_connection((address, port), timeout=deadline.left_s())
    with raw if scheme == "http" else _tls(raw, host) as stream, deadline.cutting(stream):
        if isinstance(stream, ssl.SSLSocket):
            stream.do_handshake()
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = port  # so that the Host header names no port over https either
        connection.sock = stream
        try:
            yield connection
        finally:
            connection.close()


def _tls(raw: socket.socket, host: str) -> socket.socket:
    """Put TLS over a connection; the handshake is still to come, and takes part in the deadline."""
    return ssl.create_default_context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)


def _save(response: http.client.HTTPResponse, target: Path, limits: Limits, deadline: Deadline, taken: Taken) -> None:
    size_bytes = 0
    with target.open("wb") as stream:
        while block := response.read1(BLOCK_BYTES):
            size_bytes += len(block)
            if size_bytes > limits.upload_bytes:
                raise Refusal(413, f"the URL returns more than {limits.upload_bytes:,} bytes")
            deadline.left_s()
            taken(len(block))
            stream.write(block)
    deadline.left_s()
    if response.length:
        raise Refusal(422, "the URL ends before all of it has come")


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(
            connection, socket.SHUT_RDWR
        )  # that of TLS would change what the other thread works with
