"""A real browser for the tests of the page, and what a person does there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from served import PATIENCE_S

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 1000 * PATIENCE_S
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium for a block."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def checked_page(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Open a fresh page; what it complains about in the console, and what it asks elsewhere, fails the test."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not _is_own(request.url, address) else None)
    page.on(
        "console",
        lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None,
    )
    page.goto(address)
    expect(page.locator(".tries")).to_be_visible()
    yield page
    context.close()
    assert complaints == []


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))


def ask(page: Page, words: str) -> None:
    """Type words, and search."""
    page.fill("#words", words)
    page.keyboard.press("Enter")


def asked_of(request: Request) -> dict[str, Any]:
    """What a request of the page sends."""
    sent: dict[str, Any] = request.post_data_json or {}
    return sent
