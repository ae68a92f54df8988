"""Hostile requests: what each gets, and that the server goes on answering others."""

from __future__ import annotations

import io
import json
import re
import resource
import socket
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image
from served import PATIENCE_S, connected_from, get, post, serving, toy_collection, until

from unite_search.errors import UniteSearchError
from unite_search.server.decode_calls import Loaded
from unite_search.server.fetch import Deadline, fetch, public_address
from unite_search.server.guard import RateLimit
from unite_search.server.problems import Refusal
from unite_search.server.settings import Limits, Settings
from unite_search.server.uploads import Uploads

TOKEN = "correct horse battery"
LIMITS = Limits(
    upload_bytes=1 << 20,
    body_bytes=8 << 10,
    receive_s=PATIENCE_S,
    image_pixels=1_000_000,
    decode_s=PATIENCE_S,
    head_s=PATIENCE_S,
    connections=60,
    connections_per_client=20,
)
HASTY = replace(LIMITS, receive_s=1.0, slowest_bytes_per_s=1e6, head_s=1.0)
ATTACKS = 10_000
ATTACKER = "127.0.0.2"
OTHER_FILES = 1000
PATHS = ("../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "/etc/passwd", "file:///etc/passwd")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret.txt").write_text("root:x:0:0 secret\n")
    with serving(toy_collection(folder), settings=Settings(rate_per_s=0, limits=LIMITS)) as (address, _):
        yield address


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that does not wait long, for what is slow on purpose."""
    folder = tmp_path_factory.mktemp("hasty")
    with serving(toy_collection(folder), settings=Settings(rate_per_s=0, limits=HASTY)) as (address, _):
        yield address


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("locked")
    with serving(toy_collection(folder), settings=Settings(token=TOKEN, rate_per_s=0)) as (address, _):
        yield address


@pytest.mark.parametrize("path", PATHS)
def test_no_parameter_takes_a_path(address: str, path: str) -> None:
    asked = [
        ("GET", f"/api/v1/items/{path}/media", None),
        ("GET", f"/api/v1/items/0/media?collection={path}", None),
        ("GET", f"/api/v1/items/0/{path}", None),
        ("GET", f"/api/v1/uploads/{path}/preview", None),
        ("GET", f"/static/{path}", None),
        ("GET", f"/static/..{path}", None),
        ("GET", f"/{path}", None),
        ("POST", "/api/v1/search", {"uploads": [path]}),
        ("POST", "/api/v1/search", {"ids": [path]}),
        ("POST", "/api/v1/search", {"texts": ["a"], "collection": path}),
        ("POST", "/api/v1/search", {"texts": ["a"], "modalities": [path]}),
    ]
    for method, url, body in asked:
        status, text = raw(address, method, url, body)
        assert status in (404, 422), (url, status)
        assert "root:" not in text


def raw(address: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """A request whose path nobody tidies up on the way."""
    content = b"" if body is None else json.dumps(body).encode()
    host = address.removeprefix("http://")
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len(content)}\r\n"
    with connected(address) as connection:
        connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + content)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), answer.decode("utf-8", "replace")


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def test_large_bodies_are_refused_before_and_while_they_come(address: str) -> None:
    large = b"x" * (LIMITS.upload_bytes + 1)
    assert post(f"{address}/api/v1/uploads", content=large).status_code == 413
    chunks = (large[at : at + 65536] for at in range(0, len(large), 65536))
    assert post(f"{address}/api/v1/uploads", content=chunks).status_code == 413
    assert post(f"{address}/api/v1/search", json={"texts": ["a" * 9000]}).status_code == 413


def test_a_slow_upload_is_cut_off(hasty: str) -> None:
    with connected(hasty) as connection:
        host = hasty.removeprefix("http://")
        connection.sendall(f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999\r\n\r\n".encode())
        connection.setblocking(False)
        until(lambda: not is_silent(connection) or not connection.send(b"x"))
        answer = connection.recv(65536)
        until(lambda: not is_silent(connection))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


def is_silent(connection: socket.socket) -> bool:
    """Whether the server has neither answered on a connection that does not block, nor closed it."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


def png_of_declared_size(width: int, height: int) -> bytes:
    """A few hundred bytes that claim to be a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("bomb", png_of_declared_size(60_000, 60_000), "too many pixels"),
        ("above our limit", png_of_declared_size(1001, 1001), "too many pixels"),
        ("truncated", png_of_declared_size(500, 500), ""),
        ("noise", bytes(range(256)) * 40, ""),
        ("playlist", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/secret\n", ""),
        ("concat script", b"ffconcat version 1.0\nfile /etc/passwd\n", ""),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", ""),
    ],
)
def test_bad_uploads_are_refused_with_a_reason(address: str, name: str, body: bytes, expected: str) -> None:
    response = post(f"{address}/api/v1/uploads", content=body)
    assert response.status_code == 422, name
    assert expected in response.json()["detail"]
    assert "/tmp" not in response.json()["detail"]


@pytest.mark.parametrize("where", ["1=1; DROP TABLE items", "id = 1 OR sleep(9)", "embedding IS NULL", "'", "(" * 1999])
def test_filters_cannot_inject(address: str, where: str) -> None:
    response = post(f"{address}/api/v1/search", json={"texts": ["a"], "where": where})
    assert response.status_code == 422
    assert get(f"{address}/api/v1/status").json()["items"] == {"image": 4, "text": 1}


@pytest.fixture
def room_for_sockets() -> Iterator[int]:
    """How many sockets may be held here, once the limit of open files is as high as needed or as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ATTACKS + OTHER_FILES if hard == resource.RLIM_INFINITY else min(ATTACKS + OTHER_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield max(soft, wanted) - OTHER_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_silent_connections_do_not_shut_others_out(address: str, room_for_sockets: int) -> None:
    attackers: deque[socket.socket] = deque()
    with ExitStack() as stack:
        for number in range(ATTACKS):
            attackers.append(stack.enter_context(attacker(address)))
            if len(attackers) > room_for_sockets:
                attackers.popleft().close()
            if number % 1000 == 999:
                assert get(f"{address}/health").status_code == 200
        until(lambda: sum(map(is_silent, attackers)) == LIMITS.connections_per_client)
        assert get(f"{address}/health").status_code == 200


def attacker(address: str) -> socket.socket:
    """A connection that does not block, of a client with an address of its own, that sent the half of a head."""
    connection = connected_from(ATTACKER, address)
    with suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\n")
    connection.setblocking(False)
    return connection


def test_a_head_that_never_ends_is_cut_off(hasty: str) -> None:
    started = time.monotonic()
    with connected(hasty) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert time.monotonic() - started > 0.9 * HASTY.head_s


def test_foreign_requests_lose_their_connection(address: str) -> None:
    """A web page that makes a browser ask this server cannot keep its connections busy."""
    with connected(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "user@localhost", "[::1", "[", ""]
)
def test_another_host_name_is_refused(address: str, host: str) -> None:
    assert get(f"{address}/api/v1/status", headers={"Host": host}).status_code in (400, 421)


def test_other_web_sites_are_refused(address: str) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        response = post(f"{address}/api/v1/search", json={"texts": ["a"]}, headers=headers)
        assert response.status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert get(address, headers=link).status_code == 200
    assert get(f"{address}/api/v1/status", headers=link).status_code == 403


def test_the_token_is_asked_for_everywhere_but_at_the_door(locked: str) -> None:
    for path in ("/api/v1/status", "/api/v1/items/0", "/api/v1/items/0/media", "/metrics", "/api/v1/nothing"):
        assert get(locked + path).status_code == 401
        assert get(locked + path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert get(locked + path, headers={"Cookie": "unite_search_session=wrong"}).status_code == 401
    for path in ("/", "/health", "/ready", "/docs", "/openapi.json", "/static/app.js"):
        assert get(locked + path).status_code == 200
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert get(f"{locked}/api/v1/status", headers=good).status_code == 200


def test_the_page_gets_a_cookie_for_the_token(locked: str) -> None:
    with httpx.Client(base_url=locked, timeout=PATIENCE_S) as client:
        assert client.post("/api/v1/session", json={"token": "wrong"}).status_code == 401
        response = client.post("/api/v1/session", json={"token": TOKEN})
        cookie = response.headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert client.get("/api/v1/status").status_code == 200


def test_an_open_address_needs_a_token() -> None:
    with pytest.raises(UniteSearchError, match="--token"):
        Settings(host="0.0.0.0")
    with pytest.raises(UniteSearchError, match="at least 8"):
        Settings(host="0.0.0.0", token="short")
    assert Settings(host="::", token=TOKEN).url.startswith("http://[::]:")


def test_each_client_has_a_rate(tmp_path: Path) -> None:
    """Two requests, then one every five seconds, which is less than any machine sends."""
    with (
        serving(toy_collection(tmp_path), settings=Settings(rate_per_s=0.2)) as (address, _),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
    ):
        answers = [client.get("/health") for _ in range(60)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429]
    assert waits
    assert set(waits) <= {1, 2, 3, 4, 5}


def test_a_bucket_fills_at_its_rate_and_no_higher() -> None:
    now = [0.0]
    limit = RateLimit(1.0, clock=lambda: now[0])
    assert [limit.wait_s("a") for _ in range(10)] == [0.0] * 10
    assert limit.wait_s("a") == pytest.approx(1.0)
    assert limit.wait_s("b") == 0.0
    now[0] = 1.5
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") == pytest.approx(0.5)
    now[0] = 1e6
    assert [limit.wait_s("a") > 0 for _ in range(11)] == [False] * 10 + [True]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "http://localhost/a.jpg",
        "http://[::1]/a.jpg",
        "http://[::ffff:127.0.0.1]/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/a.jpg",
        "http://0.0.0.0/a.jpg",
        "http://2130706433/a.jpg",
        "http://0x7f.1/a.jpg",
        "http://[64:ff9b::7f00:1]/a.jpg",
        "http://[64:ff9b:1::7f00:1]/a.jpg",
        "http://[::127.0.0.1]/a.jpg",
        "http://[::7f00:1]/a.jpg",
        "http://[fec0::1]/a.jpg",
        "http://[2002:7f00:1::]/a.jpg",
        "http://[2001:0:7f00:1::]/a.jpg",
        "http://[fe80::1%25lo]/a.jpg",
        "http://100.64.0.1/a.jpg",
        "http://[::1/a.jpg",
        "http://1.1.1.1:22/a.jpg",
        "http://user:word@1.1.1.1/a.jpg",
        "file:///etc/passwd",
        "gopher://1.1.1.1/",
        "http://1.1.1.1:99999/",
        "http:///a.jpg",
    ],
)
def test_urls_that_lead_inside_are_not_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refusal) as refused:
        fetch(url, tmp_path / "fetched", LIMITS)
    assert refused.value.status_code == 422
    assert re.search("public|must be|address", refused.value.detail)
    assert not (tmp_path / "fetched").exists()


def test_a_public_address_passes() -> None:
    assert public_address("93.184.215.14", 80, Deadline(PATIENCE_S)) == "93.184.215.14"


def test_uploads_are_forgotten_by_age_and_when_too_many() -> None:
    import numpy as np

    from unite_search.content import Image as Picture

    now = [0.0]
    uploads = Uploads(kept_bytes=1000, kept_s=10, clock=lambda: now[0])
    loaded = Loaded(Picture(np.zeros((10, 10, 3), np.uint8)), "hash", b"", 1)
    kept = [uploads.add(loaded) for _ in range(5)]
    assert uploads.size_bytes <= 1000
    for old in kept[:2]:
        with pytest.raises(Refusal):
            uploads.get(old.id)
    assert uploads.get(kept[-1].id) is kept[-1]
    now[0] = 11.0
    with pytest.raises(Refusal, match="404"):
        uploads.get(kept[-1].id)
    assert len({upload.id for upload in kept}) == 5


def test_a_large_upload_within_the_limits_is_taken(address: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((600, 600), 90).convert("RGB").save(buffer, "PNG")
    assert post(f"{address}/api/v1/uploads", content=buffer.getvalue()).status_code == 201
