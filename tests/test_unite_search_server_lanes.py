"""What is slow in one kind of request delays no other, and too much of one kind is refused with a time to try again."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from served import PATIENCE_S, serving, toy_collection, until

from unite_search.collection import Collection
from unite_search.server import fetch as fetch_module
from unite_search.server.decode_calls import MediaSource
from unite_search.server.lanes import SEARCHES, Lane
from unite_search.server.problems import Refusal
from unite_search.server.routes import uploads
from unite_search.server.service import Service
from unite_search.server.settings import Limits, Settings

FLOOD = 60
DRIPPING = 45
LIMITS = Limits(decode_s=PATIENCE_S, fetch_s=PATIENCE_S, fetches=8)
SETTINGS = Settings(rate_per_s=0, allow_url=True, limits=LIMITS)


class Library:
    """A server, requests of each kind of work to it, and what each kind waits for while it is blocked."""

    def __init__(self, address: str, service: Service) -> None:
        self.service = service
        self._client = httpx.Client(base_url=address, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None))
        self.reader = service.reader(None)
        self._numbers = iter(range(10**6))
        buffer = io.BytesIO()
        Image.new("RGB", (9, 9)).save(buffer, "PNG")
        self._picture = buffer.getvalue()

    def ask(self, kind: str) -> httpx.Response:
        """Send a request that no cache can answer."""
        number = next(self._numbers)
        if kind == "fetches":
            return self._client.post("/api/v1/uploads/url", json={"url": f"http://photos.example/{number}"})
        if kind == "uploads":
            return self._client.post("/api/v1/uploads", content=self._picture)
        if kind == "previews":
            return self._client.get("/api/v1/items/0/thumbnail?side=160")
        if kind == "queries":
            return self._client.post("/api/v1/search", json={"ids": [0], "texts": [f"words {number}"]})
        if kind == "searches":
            return self._client.post("/api/v1/search", json={"texts": [f"words {number}"]})
        return self._client.get(
            {"health": "/health", "items": "/api/v1/items/0", "media": "/api/v1/items/0/media"}[kind]
        )

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with serving(toy_collection(tmp_path), settings=SETTINGS) as (address, service):
        found = Library(address, service)
        yield found
        found.close()


@contextmanager
def blocked(library: Library, kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let one kind of work hang until the end of the block; hands out a list that grows with what hangs."""
    may_go_on = threading.Event()
    hanging: list[str] = []

    def slowly(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            hanging.append(kind)
            assert may_go_on.wait(PATIENCE_S)
            return function(*arguments, **named)

        return run

    def no_picture(*_: Any, **__: Any) -> None:
        raise Refusal(422, "nothing there")

    service = library.service
    pools = {"uploads": service.upload_pool, "previews": service.preview_pool, "queries": service.query_pool}
    with monkeypatch.context() as patched:
        patched.setattr(uploads, "fetch", slowly(no_picture) if kind == "fetches" else no_picture)
        if kind in pools:
            patched.setattr(pools[kind], "call", slowly(pools[kind].call))
        if kind == "searches":
            patched.setattr(library.reader, "search", slowly(library.reader.search))
        try:
            yield hanging
        finally:
            may_go_on.set()


KINDS = ("fetches", "uploads", "previews", "queries", "searches")


@pytest.mark.parametrize("slow", KINDS)
def test_what_hangs_in_one_kind_of_work_delays_no_other(
    library: Library, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the flood is answered before the others are."""
    others = [kind for kind in (*KINDS, "health", "items", "media") if kind != slow]
    if slow == "searches":
        others.remove("queries")
    with ThreadPoolExecutor(FLOOD) as pool, blocked(library, slow, monkeypatch) as hanging:
        flood = [pool.submit(library.ask, slow) for _ in range(FLOOD)]
        until(lambda: len(hanging) + sum(map(Future.done, flood)) > 1)
        for kind in others:
            expected = {"fetches": 422, "uploads": 201}.get(kind, 200)
            assert library.ask(kind).status_code == expected, kind
        assert all(answer.result().status_code == 503 for answer in flood if answer.done())
        assert not all(map(Future.done, flood))


def test_hosts_that_drip_do_not_silence_the_server(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty-five fetches from a host that sends a byte now and then: some hang, the others are refused at once."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=DRIPPING) as listener, ThreadPoolExecutor(DRIPPING) as pool:
        dripping = [threading.Thread(target=drip, args=(listener, is_over), daemon=True) for _ in range(LIMITS.fetches)]
        for thread in dripping:
            thread.start()
        stub = {name: getattr(socket, name) for name in ("socket", "SOCK_STREAM", "SHUT_RDWR")}
        stub["getaddrinfo"] = lambda _, port, **__: [(0, 0, 0, "", ("93.184.215.14", port))]
        stub["create_connection"] = lambda _, timeout: socket.create_connection(listener.getsockname(), timeout)
        monkeypatch.setattr(fetch_module, "socket", SimpleNamespace(**stub))
        flood = [pool.submit(library.ask, "fetches") for _ in range(DRIPPING)]
        try:
            until(lambda: sum(map(Future.done, flood)) >= DRIPPING - 2 * LIMITS.fetches)
            refused = [answer.result() for answer in flood if answer.done()]
            assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(503, "5")}
            for kind in ("health", "searches", "queries", "previews", "media"):
                assert library.ask(kind).status_code == 200, kind
            assert not all(map(Future.done, flood))
        finally:
            is_over.set()
            listener.close()
        assert {answer.result().status_code for answer in flood} <= {422, 503}


def drip(listener: socket.socket, is_over: threading.Event) -> None:
    """Answer one connection with a head that never ends."""
    with suppress(OSError), listener.accept()[0] as connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not is_over.wait(0.05):
            connection.sendall(b"x")


def test_when_too_many_previews_wait_the_next_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(SETTINGS, limits=replace(LIMITS, waiting_queries=3))
    with serving(toy_collection(tmp_path), settings=few) as (address, service):
        library, lane = Library(address, service), service.lanes.previews
        lane._wait_s = PATIENCE_S
        with closing(library), ThreadPoolExecutor(FLOOD) as pool, blocked(library, "previews", monkeypatch):
            flood: list[Future[httpx.Response]] = []
            while lane.waiting < few.limits.waiting_queries:
                flood.append(pool.submit(library.ask, "previews"))
                until(lambda: lane.running + lane.waiting == len(flood))
            refused = library.ask("previews")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert refused.json()["detail"] == "too many requests for previews are waiting; try again"
            metrics = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
            assert 'unite_search_waiting{kind="previews"}' in metrics
        assert {answer.result().status_code for answer in flood} == {200}


def test_a_query_fills_a_batch_of_the_encoder_from_one_lane() -> None:
    from unite_search.server.batching import MAX_BATCH

    assert SEARCHES > MAX_BATCH


def test_a_request_that_waits_too_long_is_refused_and_leaves_its_place() -> None:
    async def run() -> tuple[int, str]:
        lane, gate = Lane("tests", threads=1, waiting=5, wait_s=0.05), threading.Event()
        holding = asyncio.create_task(lane.run(gate.wait, PATIENCE_S))
        while not lane.running:
            await asyncio.sleep(0.01)
        with pytest.raises(Refusal) as refused:
            await lane.run(str)
        assert lane.waiting == 0
        patient = asyncio.create_task(lane.finish(str, "late"))
        await asyncio.sleep(0.2)
        assert not patient.done()
        gate.set()
        assert await holding
        return refused.value.status_code, await patient

    assert asyncio.run(run()) == (503, "late")


def test_an_error_frees_the_thread() -> None:
    async def run() -> list[str]:
        lane = Lane("tests", threads=1, waiting=5)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(divmod, 1, 0)
        assert lane.running == 0
        return list(await asyncio.gather(*(lane.run(str, number) for number in range(4))))

    assert asyncio.run(run()) == ["0", "1", "2", "3"]


def test_a_lane_runs_no_more_at_a_time_than_it_has_threads() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.02)
        with lock:
            inside -= 1

    async def run() -> None:
        lane = Lane("tests", threads=3, waiting=100)
        await asyncio.gather(*(lane.run(work) for _ in range(30)))

    asyncio.run(run())
    assert most == 3


def test_a_status_that_hangs_holds_one_thread(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of a collection hangs while its status is read; everybody else gets the last one."""
    gate = threading.Event()
    status = library.reader.collection.status

    def slow_status(_: Collection) -> Any:
        assert gate.wait(PATIENCE_S)
        return status()

    with monkeypatch.context() as patched, ThreadPoolExecutor(1) as pool:
        patched.setattr(Collection, "status", slow_status)
        library.reader._is_status_stale = True
        hanging = pool.submit(library.reader.status)
        until(library.reader._status_lock.locked)
        assert [library.ask("items").status_code for _ in range(3)] == [200] * 3
        assert library.reader.status().files == 5
        gate.set()
        assert hanging.result().files == 5


def test_a_preview_of_a_changed_file_is_not_kept_for_an_unknown_one(library: Library) -> None:
    """Nothing is known of a file that was imported unseen, so a picture of it may not be given out again later."""
    source = library.reader.source(library.reader.collection.item(0))
    unknown = MediaSource(source.file._replace(size_bytes=0), source.is_video)
    assert library.service.previews.made(unknown, 160, 1).startswith(b"\xff\xd8")
    assert library.service.previews.kept(unknown, 160, 1) is None
    library.service.previews.made(source, 160, 1)
    assert library.service.previews.kept(source, 160, 1) is not None
