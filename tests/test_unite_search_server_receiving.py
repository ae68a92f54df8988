"""Files that are being received are limited in sum, whoever sends them and however slowly."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from served import PATIENCE_S, connected_from, get, post, serving, toy_collection, until

from unite_search.server.problems import Refusal
from unite_search.server.receiving import ReceivedBytes
from unite_search.server.service import Service
from unite_search.server.settings import Limits, Settings

PIECE = 100_000
LIMITS = Limits(receive_s=PATIENCE_S, upload_bytes=4 * PIECE, receiving_bytes=8 * PIECE)
OTHERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Service, Path]]:
    settings = Settings(rate_per_s=0, limits=LIMITS, allow_write=True)
    with serving(toy_collection(tmp_path), settings=settings) as (address, service):
        yield address, service, tmp_path


def unfinished(address: str, client: str, path: str = "/api/v1/uploads") -> socket.socket:
    """A connection over which a part of an upload has been sent, and nothing more comes."""
    connection = connected_from(client, address)
    host = address.removeprefix("http://")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {3 * PIECE}\r\n\r\n"
    connection.sendall(head.encode() + b"x" * PIECE)
    return connection


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/api/v1/items?name=a.png"])
def test_unfinished_uploads_are_limited_in_sum(server: tuple[str, Service, Path], path: str) -> None:
    address, service, folder = server
    with ExitStack() as stack:
        held = [stack.enter_context(unfinished(address, client, path)) for client in OTHERS[:2] for _ in range(4)]
        until(lambda: service.received.total == 8 * PIECE)
        refused = stack.enter_context(unfinished(address, OTHERS[2], path))
        assert status_of(refused) == 503
        response = post(f"{address}/api/v1/uploads", content=b"x" * PIECE)
        assert (response.status_code, response.headers["retry-after"]) == (503, "10")
        assert response.json()["detail"].startswith("the server is receiving too many files")
        assert get(f"{address}/health").status_code == 200
        assert post(f"{address}/api/v1/search", json={"texts": ["red"]}).status_code == 200
        assert "unite_search_receiving_bytes 800000" in get(f"{address}/metrics").text
        for connection in held:
            connection.close()
        until(lambda: service.received.total == 0)
    assert post(f"{address}/api/v1/uploads", content=b"x" * PIECE).status_code == 422, "noise, but it was received"
    assert service.received.total == 0
    assert not list(folder.rglob(".unite-search-*"))


def test_one_client_has_half_and_leaves_the_other_half(server: tuple[str, Service, Path]) -> None:
    address, service, _ = server
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(unfinished(address, OTHERS[0]))
        until(lambda: service.received.total == 4 * PIECE)
        assert status_of(stack.enter_context(unfinished(address, OTHERS[0]))) == 503
        assert httpx.post(f"{address}/api/v1/uploads", content=b"x", timeout=PATIENCE_S).status_code == 422


def test_bytes_are_counted_and_given_back() -> None:
    received = ReceivedBytes(100)
    with received.share("a") as one, received.share("b") as other:
        one.take(50)
        with pytest.raises(Refusal):
            one.take(1)
        other.take(30)
        assert received.total == 80
        with received.share("c") as third, pytest.raises(Refusal) as refused:
            third.take(21)
        assert refused.value.status_code == 503
    assert received.total == 0


def test_an_error_gives_the_bytes_back() -> None:
    received = ReceivedBytes(100)
    with pytest.raises(KeyError), received.share("a") as share:
        share.take(1)
        raise KeyError("a")
    assert received.total == 0


def test_what_is_refused_does_not_count() -> None:
    received = ReceivedBytes(100)
    with received.share("a") as share:
        for _ in range(3):
            with pytest.raises(Refusal):
                share.take(60)
        share.take(50)
        assert received.total == share.size_bytes == 50


def test_the_default_limit_leaves_room_for_the_largest_upload() -> None:
    assert Limits().upload_bytes <= Limits().receiving_bytes // 2
