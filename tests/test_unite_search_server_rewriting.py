"""The server below a prefix, behind a small proxy that takes the prefix off, and behind one that does not."""

from __future__ import annotations

import http.client
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from served import PATIENCE_S, serving, toy_collection

from unite_search.errors import UniteSearchError
from unite_search.server.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PREFIX = "/search"
TOKEN = "correct horse battery"
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
REFERENCE = re.compile(r"""(?:href|src)="([^"]+)"|from "([^"]+)"|import "([^"]+)\"""")


@contextmanager
def proxy(address: str, *, strips: bool) -> Iterator[str]:
    """A reverse proxy that passes what is below the prefix to a server, and knows nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            if not self.path.startswith(f"{PREFIX}/") and (strips or self.path != PREFIX):
                self.send_error(404, "not below the prefix")
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with (
                closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)) as inner,
                suppress(ConnectionError),  # a browser drops what it no longer needs
            ):
                inner.request(
                    self.command, self.path.removeprefix(PREFIX) if strips else self.path, body, dict(self.headers)
                )
                self.answer_with(inner.getresponse())

        def answer_with(self, answer: http.client.HTTPResponse) -> None:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            if answer.status != 304:
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_DELETE = pass_on  # noqa: N815 (names that http.server looks for)

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


@pytest.fixture(scope="module", params=[True, False], ids=["strips", "keeps"])
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page behind a proxy of each kind."""
    settings = Settings(rate_per_s=0, root_path=PREFIX)
    with (
        serving(toy_collection(tmp_path_factory.mktemp("proxied")), settings=settings) as (address, _),
        proxy(address, strips=request.param) as outside,
    ):
        yield f"{outside}{PREFIX}/"


def test_everything_that_the_page_refers_to_is_there(proxied: str) -> None:
    """Follows the addresses as a browser does, from both pages through every module."""
    waiting, seen = [proxied, urljoin(proxied, "docs")], set[str]()
    while waiting:
        url = waiting.pop()
        if url in seen or not url.startswith("http"):
            continue
        seen.add(url)
        response = httpx.get(url, timeout=PATIENCE_S)
        assert response.status_code == 200, url
        if not url.endswith((".css", ".svg", ".json")):
            waiting += [urljoin(url, next(filter(None, found))) for found in REFERENCE.findall(response.text)]
    assert {"static/app.js", "static/dom.js", "static/style.css", "openapi.json", "docs"} <= {
        url.removeprefix(proxied) for url in seen
    }


def test_the_api_is_below_the_prefix(proxied: str) -> None:
    with httpx.Client(base_url=proxied, timeout=PATIENCE_S) as client:
        found = client.post("api/v1/search", json={"texts": ["red"]}).json()["hits"]
        media = client.get(f"api/v1/items/{found[0]['id']}/media", headers={"Range": "bytes=0-3"})
        assert (media.status_code, media.content) == (206, b"\x89PNG")
        assert client.head("health").status_code == client.get("ready").status_code == 200
        assert client.post("api/v1/uploads", content=media.content).status_code == 422
        document = client.get("openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]
    assert "/api/v1/search" in document["paths"]


@pytest.mark.parametrize("path", ["/search/search/health", "/searching/health", "/search//health", "/searchhealth"])
def test_only_the_prefix_itself_is_taken_off_and_once(tmp_path: Path, path: str) -> None:
    with serving(toy_collection(tmp_path), settings=Settings(rate_per_s=0, root_path=PREFIX)) as (address, _):
        assert httpx.get(address + path, timeout=PATIENCE_S).status_code == 404
        assert httpx.get(f"{address}/search/health", timeout=PATIENCE_S).status_code == 200
        assert httpx.get(f"{address}/health", timeout=PATIENCE_S).status_code == 200


def test_the_prefix_without_its_slash_leads_to_the_page(tmp_path: Path) -> None:
    with serving(toy_collection(tmp_path), settings=Settings(rate_per_s=0, root_path=PREFIX)) as (address, _):
        for asked, location in ((PREFIX, f"{PREFIX}/"), (f"{PREFIX}?a=1", f"{PREFIX}/?a=1")):
            response = httpx.get(address + asked, timeout=PATIENCE_S)
            assert (response.status_code, response.headers["location"]) == (308, location)
            assert "content-security-policy" in response.headers


def test_the_token_guards_below_the_prefix_as_well(tmp_path: Path) -> None:
    settings = Settings(rate_per_s=0, root_path=PREFIX, token=TOKEN)
    with serving(toy_collection(tmp_path), settings=settings) as (address, _):
        for prefix in ("", PREFIX):
            with httpx.Client(base_url=address + prefix, timeout=PATIENCE_S) as client:
                assert client.get("/").status_code == client.get("/static/app.js").status_code == 200
                assert client.get("/api/v1/status").status_code == 401
                assert client.get("/api/v1/status", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        with httpx.Client(base_url=address + PREFIX, timeout=PATIENCE_S) as client:
            cookie = client.post("/api/v1/session", json={"token": TOKEN}).headers["set-cookie"]
            assert "Path=/search/" in cookie
            assert client.get("/api/v1/status").status_code == 200


def test_without_a_prefix_the_page_names_no_absolute_address(tmp_path: Path) -> None:
    with serving(toy_collection(tmp_path)) as (address, _):
        for page in ("/", "/docs"):
            text = httpx.get(address + page, timeout=PATIENCE_S).text
            assert not re.search(r"""(href|src)=["']?/""", text)
        assert "servers" not in httpx.get(f"{address}/openapi.json", timeout=PATIENCE_S).json()


@pytest.mark.parametrize(
    "root_path", ["search", "/search/", "/a b", "//evil.example", "/..", "/a/../b", "/.", "/api", "/static/x", "/docs"]
)
def test_a_root_path_that_cannot_work_is_refused(root_path: str) -> None:
    with pytest.raises(UniteSearchError, match="root path"):
        Settings(root_path=root_path)


def test_a_root_path_may_have_several_parts() -> None:
    assert Settings(root_path="/home/photos-1.0/~me").url.endswith(":8765/home/photos-1.0/~me/")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_page_works_in_a_browser_below_the_prefix(proxied: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        expect.set_options(timeout=1000 * PATIENCE_S)
        failed: list[str] = []
        page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(proxied)
        page.fill("#words", "red")
        page.keyboard.press("Enter")
        expect(page.locator(".card .name").first).to_have_text("red.png")
        expect(page.locator(".card img").first).to_have_class(re.compile("there"))
        page.locator(".card").first.click()
        expect(page.locator("#detail .near .row button")).not_to_have_count(0)
        assert page.locator("#detail .stage img").evaluate("picture => picture.decode().then(() => true)")
        page.goto(urljoin(proxied, "docs"))
        expect(page.locator(".route").first).to_contain_text(f"{PREFIX}/api/v1/search")
        page.locator(".mark").click()
        expect(page.locator(".tries")).to_be_visible()
        assert page.url == proxied
        browser.close()
    assert failed == []
