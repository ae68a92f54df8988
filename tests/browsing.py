"""A real browser for the tests of the page, and what a person does there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
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


def contrast(page: Page, selector: str) -> float:
    """Contrast of the first element's text with what is behind it; WCAG 2.2, relative luminance."""
    script = """element => {
        let behind = element;
        const paper = (at) => getComputedStyle(at).backgroundColor;
        while (/, 0\\)$|transparent/.test(paper(behind))) behind = behind.parentElement;
        return [getComputedStyle(element).color, paper(behind)];
    }"""
    colours = page.locator(selector).first.evaluate(script)
    luminance = []
    for colour in colours:
        channels = np.array([float(value) for value in re.findall(r"[\d.]+", colour)[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        luminance.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)
