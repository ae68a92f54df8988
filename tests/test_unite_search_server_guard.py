"""What counts as one client: an IPv4 address, or a whole IPv6 network, of which one client has every address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from served import PATIENCE_S, get, toy_collection, until
from uvicorn.server import ServerState

from unite_search.server import guard
from unite_search.server.connections import limited_protocol
from unite_search.server.guard import Guard, RateLimit, client_at, client_of
from unite_search.server.run import listening, server_config
from unite_search.server.service import Service
from unite_search.server.settings import Limits, Settings


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_a_network(address: str, client: str) -> None:
    assert client_at(address) == client
    assert client_of({"client": (address, 1234)}) == client


def test_a_request_over_a_local_socket_has_no_client() -> None:
    assert client_of({"client": None}) == client_of({}) == ""


@given(network=st.integers(0x2001 << 48, (0x2002 << 48) - 1), hosts=st.lists(st.integers(0, 2**64 - 1), min_size=2))
def test_all_addresses_of_a_network_share_a_bucket_and_others_have_their_own(network: int, hosts: list[int]) -> None:
    limit = RateLimit(0.1, clock=lambda: 0.0)
    waits = [limit.wait_s(client_at(_ipv6(network, host))) for host in hosts]
    assert [wait > 0 for wait in waits] == [False] + [True] * (len(hosts) - 1)
    assert limit.wait_s(client_at(_ipv6(network ^ 1, hosts[0]))) == 0


def _ipv6(network: int, host: int) -> str:
    digits = f"{network:016x}{host:016x}"
    return ":".join(digits[at : at + 4] for at in range(0, 32, 4))


async def _nothing(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def status_of(app: Guard, address: str) -> tuple[int, dict[bytes, bytes]]:
    """What the guard answers to a request from an address."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health", "client": (address, 9), "headers": [(b"host", b"x")]}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"])


def test_a_client_cannot_outrun_its_rate_by_changing_its_address() -> None:
    app = Guard(_nothing, settings=Settings(rate_per_s=0.1, names=("x",)))
    assert status_of(app, "2001:db8:1:2::1")[0] == 200
    status, headers = status_of(app, "2001:db8:1:2:ffff::7")
    assert status == 429
    assert 1 <= int(headers[b"retry-after"]) <= 10
    assert status_of(app, "2001:db8:1:3::1")[0] == 200


OWN = {"Host": "x"}
FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "x@evil.example"},
    {"Host": "[::1"},
    {"Host": "x", "Origin": "http://evil.example"},
    {"Host": "x", "Origin": "null"},
    {"Host": "x", "Origin": "http://[evil"},
    {"Host": "x", "Sec-Fetch-Site": "cross-site"},
    {"Host": "x", "Sec-Fetch-Site": "same-site"},
    {"Host": "x", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


def answer(app: Guard, headers: dict[str, str], path: str = "/") -> int:
    """The status that the guard gives to one client's request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "client": ("127.0.0.1", 9), "headers": raw}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_request_does_not_spend_the_rate_of_the_owner(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both come from the owner's machine: a web page that is open there, and the owner."""
    monkeypatch.setattr(RateLimit.__init__, "__kwdefaults__", {"clock": lambda: 0.0})
    app = Guard(_nothing, settings=Settings(rate_per_s=0.3, names=("x",)))
    statuses = [answer(app, headers) for _ in range(4)]
    assert statuses[0] in (200, 400, 403, 421)
    assert statuses == [statuses[0]] * 3 + [429], "a flood of them is limited as well"
    assert [answer(app, OWN) for _ in range(4)] == [200] * 3 + [429], "the owner's own requests are counted"


def test_a_stranger_does_not_spend_the_rate_of_those_who_have_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy, all clients have one address."""
    monkeypatch.setattr(RateLimit.__init__, "__kwdefaults__", {"clock": lambda: 0.0})
    app = Guard(_nothing, settings=Settings(rate_per_s=0.3, token="correct horse", names=("x",)))
    known = {**OWN, "Authorization": "Bearer correct horse"}
    guesses = [answer(app, {**OWN, "Authorization": f"Bearer {number}"}, "/api/v1/status") for number in range(4)]
    assert guesses == [401] * 3 + [429]
    assert answer(app, OWN, "/api/v1/session") == 429, "neither can the token be guessed there"
    assert [answer(app, known, "/api/v1/status") for _ in range(4)] == [200] * 3 + [429]


def test_only_so_many_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_CLIENTS", 3)
    limit = RateLimit(0.1, clock=lambda: 0.0)
    assert [limit.wait_s(name) for name in "abc"] == [0.0] * 3
    assert limit.wait_s("a") > 0, "it was asked last, so it is kept longest"
    assert limit.wait_s("d") == 0
    assert limit.wait_s("a") > 0
    assert limit.wait_s("b") == 0, "it was asked first, so it was forgotten"


class Transport:
    """As much of a connection as counting connections looks at."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.is_aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self._address, 9, 0, 0), "sockname": ("::", 80, 0, 0)}.get(name, default)

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return self.is_aborted


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(asyncio.new_event_loop()) as made:
        yield made


def test_connections_are_counted_by_client_not_by_address(loop: asyncio.AbstractEventLoop) -> None:
    protocol = limited_protocol(replace(Limits(), connections=10, connections_per_client=2))
    config = uvicorn.Config(_nothing, log_config=None)
    config.load()

    def connect(address: str) -> tuple[Any, Transport]:
        made = protocol(config, ServerState(), {}, loop)
        transport = Transport(address)
        made.connection_made(transport)  # type: ignore[arg-type]
        return made, transport

    first = connect("2001:db8:1:2::1")
    assert not first[1].is_aborted
    assert not connect("2001:db8:1:2::2")[1].is_aborted
    assert connect("2001:db8:1:2::3")[1].is_aborted
    assert not connect("2001:db8:1:3::1")[1].is_aborted
    first[0].connection_lost(None)
    assert not connect("2001:db8:1:2::3")[1].is_aborted


def test_the_server_answers_over_ipv6(tmp_path: Path) -> None:
    settings = Settings(host="::1", port=0, rate_per_s=0)
    service = Service([toy_collection(tmp_path)], settings)
    server = uvicorn.Server(server_config(service))
    with listening(settings) as listener:
        thread = Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            until(lambda: server.started and all(reader.is_ready for reader in service.readers.values()))
            port = listener.getsockname()[1]
            assert get(f"http://[::1]:{port}/api/v1/status").json()["items"] == {"image": 4, "text": 1}
            with pytest.raises(httpx.ConnectError):
                get(f"http://127.0.0.1:{port}/health")
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
    assert not thread.is_alive()
