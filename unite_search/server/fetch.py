"""Fetch a picture or clip from a URL, if the server was started with `--allow-url`.

Only public addresses are connected to. The host name is resolved once and the connection goes to the address that was
checked, so that the name cannot resolve to another one in between; every redirect is checked like the first URL.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from unite_search.server.problems import Refusal
from unite_search.server.settings import Limits

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
MAX_REDIRECTS = 3
BLOCK_BYTES = 64 << 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})


def fetch(url: str, target: Path, limits: Limits) -> None:
    """Download a URL to a file.

    Raises:
        Refusal: the URL is not allowed, cannot be fetched, is too large, or is too slow.
    """
    until = time.monotonic() + limits.receive_s
    for _ in range(MAX_REDIRECTS + 1):
        try:
            location = _fetch_once(url, target, limits, until)
        except (OSError, http.client.HTTPException) as error:
            raise Refusal(422, f"the URL cannot be fetched: {error}") from error
        if location is None:
            return
        url = urljoin(url, location)
    raise Refusal(422, f"the URL redirects more than {MAX_REDIRECTS} times")


def public_address(host: str, port: int) -> str:
    """Return the first address of a host name.

    Raises:
        Refusal: the name has no address, or one that is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refusal(422, f"no address is known for {host[:100]!r}") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not all(it.is_global and not it.is_multicast for it in (address, _inner(address))):
            raise Refusal(422, f"{host[:100]!r} has an address that is not public")
    return str(addresses[0])


def _inner(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 address (NAT64, mapped, 6to4, Teredo), else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def _fetch_once(url: str, target: Path, limits: Limits, until: float) -> str | None:
    """Download a URL and return None, or return the location that it redirects to."""
    parts = urlsplit(url)
    try:
        is_good = parts.scheme in PORTS and parts.hostname and not parts.username
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        is_good = False
    if not is_good or parts.hostname is None or port != PORTS[parts.scheme]:
        raise Refusal(422, "the URL must be http or https, without a user or a port")
    connection = _connected(parts.scheme, parts.hostname, port, until)
    try:
        path = parts.path or "/"
        connection.request(
            "GET", f"{path}?{parts.query}" if parts.query else path, headers={"Accept": "image/*,video/*"}
        )
        with connection.getresponse() as response:
            if response.status in REDIRECTS:
                return response.getheader("Location") or ""
            if response.status != 200:
                raise Refusal(422, f"the URL answers with status {response.status}")
            _save(response, target, limits, until)
    finally:
        connection.close()
    return None


def _connected(scheme: str, host: str, port: int, until: float) -> http.client.HTTPConnection:
    address = public_address(host, port)
    raw = socket.create_connection((address, port), timeout=_left_s(until))
    connection = http.client.HTTPConnection(host, port)
    connection.default_port = port  # so that the Host header names no port over https either
    connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host) if scheme == "https" else raw
    return connection


def _save(response: http.client.HTTPResponse, target: Path, limits: Limits, until: float) -> None:
    size_bytes = 0
    with target.open("wb") as stream:
        while block := response.read1(BLOCK_BYTES):
            size_bytes += len(block)
            if size_bytes > limits.upload_bytes:
                raise Refusal(413, f"the URL returns more than {limits.upload_bytes:,} bytes")
            _left_s(until)
            stream.write(block)


def _left_s(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise Refusal(422, "the URL answers too slowly")
    return left
