"""Shared fixtures: a deterministic toy encoder, a small folder of media, the project's data where it exists."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from PIL import Image
from skips import register
from toy import COLOURS, ToyEncoder

if TYPE_CHECKING:
    from unite_search.collection import Collection

SHARED = Path(os.environ.get("UNITE_SEARCH_SHARED") or Path(__file__).resolve().parents[2] / "shared")

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "steady")

os.environ.setdefault("LANCE_LOG", "error")  # As in the catalog, for tests that import lance before it.

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background with Control-C ignored, and every child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Compare the skips of a CI job with the committed list."""
    register(config)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photos and clips beside the checkout; absent in a plain clone."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the project's shared data: ../shared/data or $UNITE_SEARCH_SHARED/data")
    return folder


@pytest.fixture(scope="session")
def shared_parity() -> Path:
    """Golden data of the official UNITE code beside the checkout; absent in a plain clone."""
    folder = SHARED / "parity"
    if not folder.is_dir():
        pytest.skip("needs the project's shared data: ../shared/parity or $UNITE_SEARCH_SHARED/parity")
    return folder


@pytest.fixture(scope="session")
def unite_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny UNITE model with random weights; needs torch."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tiny_unite import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("unite") / "tiny")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with one plain picture a colour, and a text."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    (folder / "note.txt").write_text("a note about nothing in particular\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """An empty collection of the toy encoder; imported here, so that tests of one layer need not install the others."""
    from unite_search.collection import Collection

    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as opened:
        yield opened
