"""HEAD, validators, preconditions and ranges over real sockets, as RFC 9110 says."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from served import PATIENCE_S, serving, toy_collection
from starlette.datastructures import Headers

from unite_search.server.preconditions import Validators, failed_precondition, is_range_wanted, past_second

OLD_S = 1_000_000_000
PAGES = ("/", "/docs", "/static/app.js", "/openapi.json", "/health", "/ready", "/metrics")
ITEM = ("", "/media", "/thumbnail", "/strip", "/similar")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    """A client, and the indexed folder, in which one text has an even date."""
    folder = tmp_path_factory.mktemp("conditions")
    (folder / "media").mkdir()
    (folder / "media" / "old.txt").write_text("0123456789\n")
    os.utime(folder / "media" / "old.txt", (OLD_S, OLD_S))
    with (
        serving(toy_collection(folder)) as (address, _),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client, folder / "media"


@pytest.fixture(scope="module")
def client(library: tuple[httpx.Client, Path]) -> httpx.Client:
    return library[0]


@pytest.fixture(scope="module")
def old(client: httpx.Client) -> str:
    """The address of the file of the old text."""
    return f"/api/v1/items/{id_of(client, 'old.txt')}/media"


def id_of(client: httpx.Client, name: str) -> int:
    hits = client.post("/api/v1/search", json={"texts": ["red"], "where": f"name = '{name}'"}).json()["hits"]
    return int(hits[0]["id"])


def test_head_is_get_without_a_body_on_every_route(client: httpx.Client) -> None:
    red = id_of(client, "red.png")
    upload = client.post("/api/v1/uploads", content=client.get(f"/api/v1/items/{red}/media").content).json()["id"]
    document = client.get("/openapi.json").json()["paths"]
    addresses = {path for path, methods in document.items() if "get" in methods} | set(PAGES)
    assert len(addresses) > 12
    for address in addresses:
        path = address.replace("{item_id}", str(red)).replace("{upload_id}", upload)
        got, headed = client.get(path), client.head(path)
        assert (got.status_code, headed.status_code, headed.content) == (200, 200, b""), path
        named = {"content-type", "etag", "last-modified", "accept-ranges", "cache-control"}
        assert {name: got.headers.get(name) for name in named} == {name: headed.headers.get(name) for name in named}
        if address != "/metrics" and "similar" not in address:
            assert headed.headers["content-length"] == str(len(got.content)), path


def test_head_keeps_a_connection_in_step(client: httpx.Client, old: str) -> None:
    """A byte of a body after the head would be read as the next answer."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=PATIENCE_S)
    for _ in range(3):
        connection.request("HEAD", old)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "11", b"")
    connection.request("GET", old)
    assert connection.getresponse().read() == b"0123456789\n"
    connection.close()


def test_head_of_what_is_not_there_is_what_get_says(client: httpx.Client) -> None:
    for path in ("/api/v1/items/99/media", "/api/v1/nothing", "/static/none.js"):
        assert client.head(path).status_code == client.get(path).status_code == 404
    refused = client.head("/api/v1/search")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_the_head_of_a_large_file_is_answered_without_reading_it(tmp_path: Path) -> None:
    collection = toy_collection(tmp_path)
    with serving(collection) as (address, service), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        red = id_of(client, "red.png")

        async def refuse(*_: object) -> bytes:
            raise AssertionError("the file was read")

        service.lanes.files.finish = refuse  # type: ignore[method-assign, assignment]
        assert client.head(f"/api/v1/items/{red}/media").status_code == 200


def test_a_version_has_a_strong_tag_and_a_date(client: httpx.Client, old: str) -> None:
    headers = client.get(old).headers
    assert headers["etag"].startswith('"') and headers["etag"].endswith('"')
    assert headers["last-modified"] == formatdate(OLD_S, usegmt=True)
    others = {client.get(f"/api/v1/items/{id_}/media").headers["etag"] for id_ in range(6)}
    assert len(others) == 6


def test_what_the_client_has_is_not_sent_again(client: httpx.Client, old: str) -> None:
    first = client.get(old)
    etag, date = first.headers["etag"], first.headers["last-modified"]
    for given in (etag, f"W/{etag}", "*", f'"other", {etag}', f'W/"a" ,{etag},"b"'):
        for method in ("GET", "HEAD"):
            response = client.request(method, old, headers={"If-None-Match": given})
            assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag), given
            assert "content-length" not in response.headers
            assert response.headers["cache-control"] == first.headers["cache-control"]
    assert client.get(old, headers={"If-Modified-Since": date}).status_code == 304
    assert client.get(old, headers={"If-Modified-Since": formatdate(OLD_S + 5, usegmt=True)}).status_code == 304
    for headers in (
        {"If-None-Match": '"other"'},
        {"If-None-Match": etag.strip('"')},
        {"If-Modified-Since": formatdate(OLD_S - 1, usegmt=True)},
        {"If-Modified-Since": "yesterday"},
        {"If-None-Match": '"other"', "If-Modified-Since": date},
    ):
        assert client.get(old, headers=headers).status_code == 200, headers


def test_several_lines_of_a_header_are_one_list(client: httpx.Client, old: str) -> None:
    etag = client.get(old).headers["etag"]
    assert client.get(old, headers=[("If-None-Match", '"a"'), ("If-None-Match", etag)]).status_code == 304


def test_a_client_that_means_another_version_is_told(client: httpx.Client, old: str) -> None:
    etag, date = (client.get(old).headers[name] for name in ("etag", "last-modified"))
    for good in ({"If-Match": etag}, {"If-Match": "*"}, {"If-Unmodified-Since": date}, {"If-Unmodified-Since": "soon"}):
        assert client.get(old, headers=good).status_code == 200, good
    earlier = formatdate(OLD_S - 1, usegmt=True)
    for bad in ({"If-Match": '"other"'}, {"If-Match": f"W/{etag}"}, {"If-Unmodified-Since": earlier}):
        response = client.get(old, headers=bad)
        assert (response.status_code, response.headers["content-type"]) == (412, "application/problem+json"), bad
    assert client.get(old, headers={"If-Match": etag, "If-Unmodified-Since": earlier}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "content", "place"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/11"),
        ("bytes=4-", 206, b"456789\n", "bytes 4-10/11"),
        ("bytes=-3", 206, b"89\n", "bytes 8-10/11"),
        ("bytes=-99", 206, b"0123456789\n", "bytes 0-10/11"),
        ("bytes=10-10", 206, b"\n", "bytes 10-10/11"),
        ("bytes=9-" + "9" * 30, 206, b"9\n", "bytes 9-10/11"),
        ("BYTES=0-0", 206, b"0", "bytes 0-0/11"),
        ("bytes=11-", 416, None, "bytes */11"),
        ("bytes=-0", 416, None, "bytes */11"),
        ("bytes=" + "9" * 30 + "-", 416, None, "bytes */11"),
        ("bytes=5-2", 200, b"0123456789\n", None),
        ("bytes=0-1,3-4", 200, b"0123456789\n", None),
        ("bytes=-", 200, b"0123456789\n", None),
        ("bytes=a-b", 200, b"0123456789\n", None),
        ("bytes=\u0661-", 200, b"0123456789\n", None),
        ("items=0-1", 200, b"0123456789\n", None),
    ],
)
def test_ranges(client: httpx.Client, old: str, wanted: str, status: int, content: bytes | None, place: str) -> None:
    response = client.get(old, headers={b"Range": wanted.encode()})
    assert (response.status_code, response.headers.get("content-range")) == (status, place)
    if content is not None:
        assert response.content == content
        assert response.headers["accept-ranges"] == "bytes"


def test_head_has_no_range(client: httpx.Client, old: str) -> None:
    for wanted in ("bytes=0-3", "bytes=99-"):
        response = client.head(old, headers={"Range": wanted})
        assert (response.status_code, response.headers["content-length"]) == (200, "11")


def test_a_part_is_sent_only_of_the_version_that_the_client_has(client: httpx.Client, old: str) -> None:
    etag, date = (client.get(old).headers[name] for name in ("etag", "last-modified"))
    part = {"Range": "bytes=2-4"}
    for same in (etag, date):
        response = client.get(old, headers={**part, "If-Range": same})
        assert (response.status_code, response.content) == (206, b"234"), same
    for other in (f"W/{etag}", '"other"', formatdate(OLD_S + 1, usegmt=True), "nonsense"):
        response = client.get(old, headers={**part, "If-Range": other})
        assert (response.status_code, len(response.content)) == (200, 11), other
    assert client.get(old, headers={"Range": "bytes=99-", "If-Range": '"other"'}).status_code == 200
    assert client.get(old, headers={**part, "If-None-Match": etag}).status_code == 304
    assert client.get(old, headers={"If-Range": '"other"'}).status_code == 200


def test_previews_and_pages_have_tags_too(client: httpx.Client) -> None:
    red = id_of(client, "red.png")
    for path in (f"/api/v1/items/{red}/thumbnail", f"/api/v1/items/{red}/strip", "/", "/docs", "/static/app.js"):
        etag = client.get(path).headers["etag"]
        response = client.get(path, headers={"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


def test_the_dates_that_http_knows_are_read() -> None:
    current = Validators('"1"', OLD_S)
    then = parsedate_to_datetime(formatdate(OLD_S, usegmt=True))
    spelled = [
        formatdate(OLD_S, usegmt=True),
        then.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        then.strftime("%a %b %e %H:%M:%S %Y"),
    ]
    for date in spelled:
        assert failed_precondition(Headers({"if-modified-since": date}), current) == 304, date
        assert is_range_wanted(Headers({"if-range": date}), current), date


@pytest.mark.parametrize("given", ["", "Mon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT", "\0"])
def test_what_is_no_date_is_ignored(given: str) -> None:
    current = Validators('"1"', OLD_S)
    assert failed_precondition(Headers({"if-modified-since": given}), current) is None
    assert failed_precondition(Headers({"if-unmodified-since": given}), current) is None


def test_a_file_from_the_future_has_no_date() -> None:
    assert past_second(OLD_S * 1_000_000_000 + 5) == OLD_S
    assert past_second(10**19) is None
    assert past_second(-1) is None
    unknown = Validators('"1"')
    assert "Last-Modified" not in unknown.headers
    assert failed_precondition(Headers({"if-modified-since": formatdate(usegmt=True)}), unknown) is None
