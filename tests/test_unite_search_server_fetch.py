"""Downloads by URL from a web server in this process, which stands in for public hosts: nothing leaves the machine."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from served import PATIENCE_S, until

from unite_search.server import fetch as module
from unite_search.server.fetch import BLOCK_BYTES, MAX_LOOK_UPS, MAX_REDIRECTS, fetch
from unite_search.server.problems import Refusal
from unite_search.server.settings import Limits

HOSTS = {"photos.example": "93.184.215.14", "mirror.example": "2606:2800:21f:cb07::1", "inside.example": "10.0.0.7"}
PICTURE = bytes(range(256)) * 1024
LIMITS = Limits(upload_bytes=len(PICTURE), fetch_s=PATIENCE_S)
HASTY = replace(LIMITS, fetch_s=1.0)


@dataclass
class Web:
    """What the test's web server answers by path, and what it and the name service were asked."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    secured: list[str] = field(default_factory=list)
    dripped: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def moved(self, path: str, location: str, status: int = 302) -> None:
        self.answers[path] = (status, {"Location": location}, b"moved")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server that every address of `HOSTS` leads to, on ports 80 and 443, where nothing is encrypted."""
    found = Web(answers={"/a.jpg": (200, {}, PICTURE)})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append((self.headers["Host"], self.path))
            if self.path.startswith("/drip"):
                self.drip()
                return
            status, headers, body = found.answers.get(self.path, (404, {}, b"not here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def drip(self) -> None:
            """Send a byte now and then, within the head or within the body, until the client is gone."""
            head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 99999\r\n\r\n" if "body" in self.path else b"X-Slow: ")
            self.wfile.write(head)
            with suppress(OSError):
                while not found.is_over.wait(0.02):
                    self.wfile.write(b"x")
            found.dripped.append(self.path)

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        found.looked_up.append(host)
        if host not in HOSTS:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (HOSTS[host], port))]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        found.connected.append(address)
        return socket.create_connection(("127.0.0.1", server.server_port), timeout=timeout)

    class Context:
        def wrap_socket(self, raw: socket.socket, *, server_hostname: str, **_: Any) -> socket.socket:
            found.secured.append(server_hostname)
            return raw

    kept = {name: getattr(socket, name) for name in ("socket", "SOCK_STREAM", "SHUT_RDWR")}
    monkeypatch.setattr(module, "socket", SimpleNamespace(getaddrinfo=look_up, create_connection=connect, **kept))
    monkeypatch.setattr(module, "ssl", SimpleNamespace(create_default_context=Context, SSLSocket=ssl.SSLSocket))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.is_over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(url: str, target: Path, limits: Limits = LIMITS) -> Refusal:
    with pytest.raises(Refusal) as refused:
        fetch(url, target, limits)
    return refused.value


def test_a_picture_is_written_whole(web: Web, tmp_path: Path) -> None:
    web.answers["/a.jpg?size=2"] = web.answers["/a.jpg"]
    fetch("http://photos.example/a.jpg?size=2#part", tmp_path / "fetched", LIMITS)
    assert (tmp_path / "fetched").read_bytes() == PICTURE
    assert len(PICTURE) > 3 * BLOCK_BYTES
    assert web.requests == [("photos.example", "/a.jpg?size=2")]


def test_the_connection_goes_to_the_address_that_was_checked(web: Web, tmp_path: Path) -> None:
    fetch("http://photos.example/a.jpg", tmp_path / "fetched", LIMITS)
    assert web.looked_up == ["photos.example"]
    assert web.connected == [("93.184.215.14", 80)]
    assert web.secured == []


def test_https_is_secured_for_the_name_not_for_the_address(web: Web, tmp_path: Path) -> None:
    fetch("https://mirror.example/a.jpg", tmp_path / "fetched", LIMITS)
    assert (tmp_path / "fetched").read_bytes() == PICTURE
    assert web.connected == [("2606:2800:21f:cb07::1", 443)]
    assert web.secured == ["mirror.example"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_to_another_host(web: Web, tmp_path: Path, status: int) -> None:
    web.moved("/old.jpg", "https://mirror.example/a.jpg", status)
    fetch("http://photos.example/old.jpg", tmp_path / "fetched", LIMITS)
    assert (tmp_path / "fetched").read_bytes() == PICTURE
    assert web.requests == [("photos.example", "/old.jpg"), ("mirror.example", "/a.jpg")]
    assert web.connected == [("93.184.215.14", 80), ("2606:2800:21f:cb07::1", 443)]


def test_a_redirect_without_a_host_stays_there(web: Web, tmp_path: Path) -> None:
    web.moved("/deep/old.jpg", "../a.jpg")
    fetch("http://photos.example/deep/old.jpg", tmp_path / "fetched", LIMITS)
    assert (tmp_path / "fetched").read_bytes() == PICTURE
    assert web.requests[1] == ("photos.example", "/a.jpg")
    assert web.looked_up == ["photos.example"] * 2, "each step is looked up and checked"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://inside.example/secret", "has an address that is not public"),
        ("http://gone.example/a.jpg", "no address is known for 'gone.example'"),
        ("http://photos.example:8080/a.jpg", "without a user or a port"),
        ("http://user:word@photos.example/a.jpg", "without a user or a port"),
        ("file:///etc/passwd", "must be http or https"),
    ],
)
def test_a_redirect_is_checked_like_the_first_url(web: Web, tmp_path: Path, location: str, reason: str) -> None:
    web.moved("/old.jpg", location)
    refused = refusal("http://photos.example/old.jpg", tmp_path / "fetched")
    assert refused.status_code == 422
    assert reason in refused.detail
    assert web.requests == [("photos.example", "/old.jpg")]
    assert not (tmp_path / "fetched").exists()


def test_redirects_are_followed_so_often_and_no_more(web: Web, tmp_path: Path) -> None:
    web.moved("/0", "/1")
    for step in range(1, MAX_REDIRECTS + 1):
        web.moved(f"/{step}", f"/{step + 1}" if step < MAX_REDIRECTS else "/a.jpg")
    fetch("http://photos.example/1", tmp_path / "fetched", LIMITS)
    assert (tmp_path / "fetched").read_bytes() == PICTURE
    assert len(web.requests) == MAX_REDIRECTS + 1 == 4
    refused = refusal("http://photos.example/0", tmp_path / "other")
    assert (refused.status_code, refused.detail) == (422, "the URL redirects more than 3 times")
    assert not (tmp_path / "other").exists()


def test_a_redirect_to_nowhere_ends(web: Web, tmp_path: Path) -> None:
    web.answers["/loop"] = (302, {}, b"")
    assert "more than 3 times" in refusal("http://photos.example/loop", tmp_path / "fetched").detail


def test_another_status_is_named(web: Web, tmp_path: Path) -> None:
    refused = refusal("http://photos.example/none.jpg", tmp_path / "fetched")
    assert (refused.status_code, refused.detail) == (422, "the URL answers with status 404")
    assert not (tmp_path / "fetched").exists()


def test_too_much_is_cut_off(web: Web, tmp_path: Path) -> None:
    web.answers["/long.jpg"] = (200, {}, PICTURE + b"x")
    refused = refusal("http://photos.example/long.jpg", tmp_path / "fetched")
    assert (refused.status_code, refused.detail) == (413, f"the URL returns more than {len(PICTURE):,} bytes")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_host_that_drips_is_cut_off_at_the_deadline(web: Web, tmp_path: Path, part: str, scheme: str) -> None:
    """Each byte comes well within any time limit of a single read; without a deadline this test does not end."""
    refused = refusal(f"{scheme}://photos.example/drip/{part}", tmp_path / "fetched", HASTY)
    assert (refused.status_code, refused.detail) == (422, "the URL answers too slowly")
    until(lambda: web.dripped == [f"/drip/{part}"])


def test_redirects_share_the_one_deadline(web: Web, tmp_path: Path) -> None:
    web.moved("/old.jpg", "https://mirror.example/drip/head")
    assert "too slowly" in refusal("http://photos.example/old.jpg", tmp_path / "fetched", HASTY).detail
    until(lambda: web.dripped == ["/drip/head"])


def test_a_name_that_is_looked_up_for_ever_is_given_up(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        assert is_over.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(module.socket, "getaddrinfo", hang)  # type: ignore[attr-defined]
    try:
        assert "too slowly" in refusal("http://photos.example/a.jpg", tmp_path / "fetched", HASTY).detail
        quick = replace(LIMITS, fetch_s=0.01)
        refused = [refusal("http://photos.example/a.jpg", tmp_path / "fetched", quick) for _ in range(MAX_LOOK_UPS)]
        assert (refused[-1].status_code, refused[-1].headers) == (503, {"Retry-After": "10"})
    finally:
        is_over.set()
        until(lambda: all(thread.name != "unite-search look-up" for thread in threading.enumerate()))
    assert web.connected == []


def test_tls_that_never_answers_is_cut_off(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that takes the connection and says nothing, with the real TLS on our side."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(module, "ssl", ssl)
        monkeypatch.setattr(
            module.socket,  # type: ignore[attr-defined]
            "create_connection",
            lambda *_, **__: socket.create_connection(silent.getsockname()),
        )
        assert "too slowly" in refusal("https://photos.example/a.jpg", tmp_path / "fetched", HASTY).detail


def test_a_body_that_ends_early_is_not_a_picture(web: Web, tmp_path: Path) -> None:
    web.answers["/cut.jpg"] = (200, {"Content-Length": str(len(PICTURE))}, PICTURE[:1000])
    refused = refusal("http://photos.example/cut.jpg", tmp_path / "fetched")
    assert (refused.status_code, refused.detail) == (422, "the URL ends before all of it has come")


def test_the_bytes_are_counted_before_they_are_kept(web: Web, tmp_path: Path) -> None:
    counted: list[int] = []
    fetch("http://photos.example/a.jpg", tmp_path / "fetched", LIMITS, taken=counted.append)
    assert sum(counted) == len(PICTURE)

    def refuse(_: int) -> None:
        raise Refusal(503, "full")

    with pytest.raises(Refusal, match="full"):
        fetch("http://photos.example/a.jpg", tmp_path / "none", LIMITS, taken=refuse)
    assert (tmp_path / "none").read_bytes() == b""


@pytest.mark.parametrize("url", ["http://[::1/a.jpg", "http://photos.example/\x00", "http://photos.example/é"])
def test_what_is_no_url_is_a_refusal(web: Web, tmp_path: Path, url: str) -> None:
    assert refusal(url, tmp_path / "fetched").status_code == 422


def test_a_host_that_does_not_answer_is_a_refusal(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(module.socket, "create_connection", refuse)  # type: ignore[attr-defined]
    refused = refusal("http://photos.example/a.jpg", tmp_path / "fetched")
    assert refused.status_code == 422
    assert refused.detail == "the URL cannot be fetched: [Errno 111] Connection refused"
