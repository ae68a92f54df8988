"""The API against the library: the same answers over HTTP, errors in one shape, files by id alone."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from served import PATIENCE_S, get, post, serving, toy_collection, until
from starlette.requests import ClientDisconnect, Request
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.errors import DecodeProcessError
from unite_search.query import Query, SearchOptions
from unite_search.server.file_response import OpenFile, file_response
from unite_search.server.lanes import Lane
from unite_search.server.preconditions import Validators
from unite_search.server.run import listening
from unite_search.server.service import Service
from unite_search.server.settings import Settings


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Service, Path]]:
    folder = tmp_path_factory.mktemp("api")
    with (
        serving(toy_collection(folder)) as (address, service),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client, service, folder


@pytest.fixture(scope="module")
def client(served: tuple[httpx.Client, Service, Path]) -> httpx.Client:
    return served[0]


def search(client: httpx.Client, **asked: object) -> dict[str, Any]:
    response = client.post("/api/v1/search", json=asked)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [Path(hit["uri"]).name for hit in found["hits"]]


def png(colour: tuple[int, int, int], size: tuple[int, int] = (50, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def upload(client: httpx.Client, body: bytes) -> str:
    response = client.post("/api/v1/uploads", content=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def test_words_find_what_the_library_finds(served: tuple[httpx.Client, Service, Path]) -> None:
    client, service, _ = served
    expected = service.reader(None).collection.search(Query.of("red", exclude="blue"), SearchOptions(top_k=3)).hits
    found = search(client, texts=["red"], exclude=["blue"], top_k=3)
    assert [(hit["id"], hit["partition"]) for hit in found["hits"]] == [(hit.id, hit.partition) for hit in expected]
    assert np.allclose([hit["score"] for hit in found["hits"]], [hit.score for hit in expected])
    assert names(found)[0] == "red.png"


def test_an_upload_finds_its_like_and_not_itself(served: tuple[httpx.Client, Service, Path]) -> None:
    client, _, folder = served
    assert names(search(client, uploads=[upload(client, png(COLOURS["green"]))]))[0] == "green.png"
    own = upload(client, (folder / "media" / "green.png").read_bytes())
    assert "green.png" not in names(search(client, uploads=[own]))
    assert names(search(client, uploads=[own], include_self=True))[0] == "green.png"


def test_an_item_with_words_is_one_composed_query(served: tuple[httpx.Client, Service, Path]) -> None:
    client, service, folder = served
    red = search(client, texts=["red"])["hits"][0]["id"]
    found = search(client, ids=[red], texts=["green"], modalities=["image"])
    expected = service.reader(None).collection.search(
        Query.of("green", image=folder / "media" / "red.png"), SearchOptions(modalities=("image",))
    )
    assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in expected.hits]


def test_an_item_alone_is_answered_by_its_stored_vector(client: httpx.Client) -> None:
    red = search(client, texts=["red"])["hits"][0]["id"]
    by_search, by_route = search(client, ids=[red], top_k=2), client.get(f"/api/v1/items/{red}/similar?top_k=2").json()
    assert by_search["hits"] == by_route["hits"] != []
    assert red not in [hit["id"] for hit in by_search["hits"]]


def test_pages_join_to_the_whole_list_and_end(client: httpx.Client) -> None:
    whole = search(client, texts=["red"], top_k=10)
    assert whole["next_offset"] is None
    joined: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = search(client, texts=["red"], top_k=2, offset=offset)
        joined += page["hits"]
        offset = page["next_offset"]
    assert joined == whole["hits"]


def test_a_filter_and_partitions_restrict(client: httpx.Client) -> None:
    assert names(search(client, texts=["red"], where="name LIKE 'b%'")) == ["blue.png"]
    assert names(search(client, texts=["red"], modalities=["text"])) == ["note.txt"]
    assert search(client, texts=["red"], where="width > 4000")["hits"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/search", {}, 422),
        ("POST", "/api/v1/search", {"texts": [""]}, 422),
        ("POST", "/api/v1/search", {"texts": ["  "]}, 422),
        ("POST", "/api/v1/search", {"texts": ["a"], "where": "row_crc = 1"}, 422),
        ("POST", "/api/v1/search", {"texts": ["a"], "where": "nothing = 1"}, 422),
        ("POST", "/api/v1/search", {"texts": ["a"], "surprise": 1}, 422),
        ("POST", "/api/v1/search", {"texts": ["a"], "top_k": 0}, 422),
        ("POST", "/api/v1/search", {"texts": ["a"], "collection": "other"}, 404),
        ("POST", "/api/v1/search", {"uploads": ["0" * 32]}, 404),
        ("POST", "/api/v1/search", {"ids": [99]}, 404),
        ("GET", "/api/v1/items/99", None, 404),
        ("GET", "/api/v1/items/99/media", None, 404),
        ("GET", "/api/v1/items/-1", None, 422),
        ("GET", f"/api/v1/items/{2**64}", None, 422),
        ("GET", "/api/v1/items/note.txt/media", None, 422),
        ("GET", "/api/v1/nothing", None, 404),
        ("DELETE", "/api/v1/search", None, 405),
        ("DELETE", "/api/v1/items/0", None, 403),
        ("POST", "/api/v1/index", None, 403),
        ("POST", "/api/v1/uploads/url", {"url": "http://example.org/a.jpg"}, 403),
        ("POST", "/api/v1/uploads", None, 422),
    ],
)
def test_every_error_has_the_one_shape(client: httpx.Client, method: str, path: str, body: object, status: int) -> None:
    response = client.request(method, path, json=body) if body is not None else client.request(method, path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert problem["detail"]


def test_without_a_free_process_a_client_is_told_to_try_again(
    served: tuple[httpx.Client, Service, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, service, _ = served

    def refuse(*_: object) -> None:
        raise DecodeProcessError("too many files are waiting to be read; try again")

    monkeypatch.setattr(service.upload_pool, "call", refuse)
    response = client.post("/api/v1/uploads", content=png((9, 9, 9)))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["detail"] == "too many files are waiting to be read; try again"


def test_media_comes_whole_in_parts_and_with_its_type(served: tuple[httpx.Client, Service, Path]) -> None:
    client, _, folder = served
    red = search(client, texts=["red"])["hits"][0]["id"]
    whole = (folder / "media" / "red.png").read_bytes()
    url = f"/api/v1/items/{red}/media"
    response = client.get(url)
    assert (response.content, response.headers["content-type"]) == (whole, "image/png")
    for wanted, part in (("0-9", whole[:10]), ("10-", whole[10:]), ("-7", whole[-7:]), ("5-99999", whole[5:])):
        response = client.get(url, headers={"Range": f"bytes={wanted}"})
        assert (response.status_code, response.content) == (206, part)
        assert response.headers["content-range"].endswith(f"/{len(whole)}")
    assert client.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get(url, headers={"Range": "bytes=9-3,1-2"}).content == whole


def test_a_file_that_became_something_else_is_not_followed(tmp_path: Path) -> None:
    import os

    with serving(toy_collection(tmp_path)) as (address, _):
        found = post(f"{address}/api/v1/search", json={"texts": ["red"]}).json()["hits"][0]
        path = Path(found["uri"])
        path.unlink()
        assert get(f"{address}/api/v1/items/{found['id']}/media").status_code == 410
        os.mkfifo(path)
        assert get(f"{address}/api/v1/items/{found['id']}/media").status_code == 410
        path.unlink()
        path.mkdir()
        assert get(f"{address}/api/v1/items/{found['id']}/media").status_code == 410
        assert get(f"{address}/api/v1/items/{found['id']}/thumbnail").status_code == 410


def test_thumbnails_are_small_jpegs(client: httpx.Client) -> None:
    red = search(client, texts=["red"])["hits"][0]["id"]
    response = client.get(f"/api/v1/items/{red}/thumbnail?side=160")
    picture = Image.open(io.BytesIO(response.content))
    assert (picture.format, picture.size) == ("JPEG", (40, 30))
    assert abs(np.asarray(picture, int)[5, 5] - COLOURS["red"]).max() < 12
    assert client.get(f"/api/v1/items/{red}/thumbnail?side=161").status_code == 422


def test_what_the_server_says_of_itself(client: httpx.Client) -> None:
    status = client.get("/api/v1/status").json()
    assert (status["items"], status["is_ready"], status["indexing"]) == ({"image": 4, "text": 1}, True, None)
    assert client.get("/api/v1/collections").json()["collections"] == [status]
    encoders = {row["name"]: row for row in client.get("/api/v1/encoders").json()["encoders"]}
    assert encoders["toy"]["is_loaded"] and not encoders["starter"]["is_loaded"]
    search(client, texts=["counted"])
    metrics = client.get("/metrics").text
    assert 'unite_search_requests_total{method="POST",route="/search",status="200"}' in metrics
    assert 'unite_search_stage_seconds_count{stage="encode"}' in metrics
    assert 'unite_search_items{collection="db",partition="image"} 4.0' in metrics


def test_every_response_carries_the_headers_that_keep_it_harmless(client: httpx.Client) -> None:
    for path in ("/", "/api/v1/status", "/api/v1/items/99", "/static/app.js", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_a_reader_follows_another_writer_without_half_a_state(tmp_path: Path) -> None:
    stopped = threading.Event()

    def keep_searching(client: httpx.Client) -> list[str]:
        errors = []
        while not stopped.is_set():
            response = client.post("/api/v1/search", json={"texts": ["white"], "top_k": 50})
            if response.status_code != 200:
                errors.append(response.text)
        return errors

    with (
        serving(toy_collection(tmp_path)) as (address, _),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        searching = [pool.submit(keep_searching, client) for _ in range(3)]
        try:
            with Collection.open(tmp_path / "db", encoder=ToyEncoder()) as writer:
                for number in range(6):
                    Image.new("RGB", (20, 20), (250, 250, number)).save(tmp_path / "media" / f"new{number}.png")
                    writer.index()
                (tmp_path / "media" / "new0.png").unlink()
                writer.index()
            left = {"red.png", "green.png", "blue.png", "white.png", "note.txt"}
            expected = left | {f"new{number}.png" for number in range(1, 6)}
            until(lambda: set(names(search(client, texts=["white"], top_k=50))) == expected)
        finally:
            stopped.set()
        assert [future.result() for future in searching] == [[], [], []]


def test_responses_are_sent_at_once() -> None:
    with (
        listening(Settings(port=0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=PATIENCE_S),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_items_are_added_and_removed_where_that_is_allowed(tmp_path: Path) -> None:
    settings = Settings(allow_write=True, rate_per_s=0)
    with (
        serving(toy_collection(tmp_path), settings=settings) as (address, _),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
    ):
        added = client.post("/api/v1/items?name=navy.png", content=png((0, 0, 128)))
        assert (added.status_code, added.json()) == (201, {"items": 1})
        kept = tmp_path / "db-added" / "navy.png"
        assert kept.read_bytes() == png((0, 0, 128))
        assert client.post("/api/v1/items?name=broken.png", content=b"\x89PNG broken").status_code == 422
        assert [path.name for path in kept.parent.iterdir()] == ["navy.png"]
        until(lambda: "navy.png" in names(search(client, texts=["blue"])))
        id_ = next(hit["id"] for hit in search(client, texts=["blue"])["hits"] if hit["uri"] == str(kept))
        assert client.delete(f"/api/v1/items/{id_}").json() == {"removed": 1}
        until(lambda: client.get(f"/api/v1/items/{id_}").status_code == 404)
        assert kept.exists()
        (tmp_path / "media" / "late.txt").write_text("late words\n")
        assert client.post("/api/v1/index").status_code == 202
        until(lambda: "late.txt" in names(search(client, texts=["late"])))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux what is open")
def test_a_file_is_closed_when_the_client_is_gone_before_its_first_byte(tmp_path: Path) -> None:
    wanted = tmp_path / "clip.mp4"
    wanted.write_bytes(b"0123456789")
    file = OpenFile(wanted.open("rb"), Validators('"1"'), "video/mp4")
    asked = Request({"type": "http", "method": "GET", "headers": [(b"range", b"bytes=2-4")]})
    response = file_response(file, asked, Lane("files", threads=1, waiting=1))
    assert wanted in _open_files()

    async def gone(message: object) -> None:
        raise OSError("connection reset")

    scope = {"type": "http", "method": "GET", "asgi": {"version": "3.0", "spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        asyncio.run(response(scope, gone, gone))  # type: ignore[arg-type]
    assert wanted not in _open_files()


def _open_files() -> set[Path]:
    descriptors = Path("/proc/self/fd").iterdir()
    return {descriptor.resolve() for descriptor in descriptors if descriptor.exists()}
