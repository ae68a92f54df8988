"""A server over toy collections, in a thread of its own, as tests talk to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import uvicorn
from PIL import Image
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.server.run import server_config
from unite_search.server.service import Service
from unite_search.server.settings import Settings

READY_S = 60.0


def toy_collection(folder: Path, *, name: str = "db") -> Collection:
    """A collection of one picture a colour and a text, all below `folder`."""
    media = folder / "media"
    media.mkdir(exist_ok=True, parents=True)
    for colour, value in COLOURS.items():
        Image.new("RGB", (40, 30), value).save(media / f"{colour}.png")
    (media / "note.txt").write_text("a note about nothing in particular\n")
    collection = Collection.open(folder / name, encoder=ToyEncoder(), create=True)
    collection.index([media])
    return collection


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(*collections: Collection, settings: Settings | None = None) -> Iterator[tuple[str, Service]]:
    """Serve collections until the block ends; hands out the address and the service."""
    chosen = replace(settings or Settings(rate_per_s=0), port=free_port())
    service = Service(collections, chosen)
    server = uvicorn.Server(server_config(service))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{chosen.port}"
    try:
        _await_ready(address)
        yield address, service
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def _await_ready(address: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{address}/ready", timeout=READY_S).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the server did not become ready")
