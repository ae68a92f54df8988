"""The documentation site: it builds strictly, asks no other server for anything, and fits a phone.

The pages that are made from code are compared with what their scripts write now.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from playwright.sync_api import Browser, TimeoutError, sync_playwright
from typer.testing import CliRunner

from tools import cli_reference, http_reference
from unite_search.cli.app import app
from unite_search.storage.row_checksums import CHECKSUMS
from unite_search.storage.rows import schema

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = {"desktop": 1280, "phone": 390}
OWN_COLUMNS = {"embedding", "recipe", "phash", "words", *CHECKSUMS}
"""Columns that nobody filters on: the vector, what recognises a file again, and what the full-text index reads."""


@pytest.mark.parametrize("script", [cli_reference, http_reference], ids=lambda script: script.__name__)
def test_a_page_made_from_code_is_up_to_date(script: ModuleType) -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run `make docs`"


def test_every_command_and_option_stands_on_the_page_of_the_command_line() -> None:
    page = cli_reference.PAGE.read_text(encoding="utf-8")
    commands = [str(command.name) for command in app.registered_commands]
    assert len(commands) > 10
    for name in commands:
        shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).stdout
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", shown)) - {"--help"}
        section = page.split(f"### unite-search {name}\n")[1].split("\n### ")[0]
        assert options
        assert {option for option in options if option not in section} == set(), name


def test_every_column_that_can_be_filtered_is_described() -> None:
    page = (DOCS / "reference" / "filters.md").read_text(encoding="utf-8")
    assert {name for name in schema(1).names if f"`{name}`" not in page} == OWN_COLUMNS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_of_docs_is_in_the_site_and_in_its_menu(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix(".html").as_posix()
        assert (site / name).is_file()
        assert f'href="{name}"' in home, f"{name} is not in the menu"


@pytest.mark.slow
def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: _Links.of(path) for path in site.rglob("*.html")}
    broken = []
    for path, found in pages.items():
        for link in found.links:
            target, fragment = urldefrag(link)
            if urlsplit(link).scheme or (path.name == "404.html" and link.startswith("/")):
                continue
            place = (path.parent / unquote(target)).resolve() if target else path
            if not place.exists() or (
                fragment and place.suffix == ".html" and unquote(fragment) not in pages[place].ids
            ):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > 20
    assert broken == []


class _Links(HTMLParser):
    """The links and the ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    @classmethod
    def of(cls, path: Path) -> _Links:
        found = cls()
        found.feed(path.read_text(encoding="utf-8"))
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_no_page_asks_elsewhere_or_is_wider_than_the_screen(
    browser: Browser, site: Path, address: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith(address) else None)
    page.on(
        "response", lambda answer: complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    for name in names:
        page.goto(address + name)
        page.wait_for_load_state("networkidle")
        sizes = "[document.documentElement.scrollWidth, document.documentElement.clientWidth, document.images.length]"
        content, screen, images = page.evaluate(sizes)
        assert content <= screen == width, name
        assert page.evaluate("[...document.images].filter((image) => image.naturalWidth > 0).length") == images, name
    assert complaints == []
    page.close()


@pytest.mark.slow
def test_the_search_box_finds_a_page_without_another_server(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(address) else None)
    first = page.locator(".md-search-result__link").first
    for patience_s in (5, 15, 60):  # on a busy machine, words may be typed before the page listens to its search box
        page.goto(address + "index.html")
        page.get_by_role("textbox", name="Search").fill("tombstones")
        try:
            first.wait_for(timeout=1000 * patience_s)
            break
        except TimeoutError:
            continue
    assert "index-kinds" in (first.get_attribute("href") or "")
    assert elsewhere == []
    page.close()
