"""A server over toy collections, in a thread of its own, as tests talk to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn
from PIL import Image
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.server.run import listening, server_config
from unite_search.server.service import Service
from unite_search.server.settings import Settings

PATIENCE_S = 120.0
"""However slow the machine is, what takes longer does not come."""

get = partial(httpx.get, timeout=PATIENCE_S)
post = partial(httpx.post, timeout=PATIENCE_S)


def connected_from(client: str, address: str) -> socket.socket:
    """A connection to a server from an address of this machine, so that the server sees another client."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.socket()
    try:
        connection.bind((client, 0))
    except OSError as error:
        pytest.skip(f"this machine has no {client}: {error}")
    connection.settimeout(PATIENCE_S)
    connection.connect((host, int(port)))
    return connection


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


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread or process brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def serving(*collections: Collection, settings: Settings | None = None) -> Iterator[tuple[str, Service]]:
    """Serve collections until the block ends; hands out the address and the service."""
    chosen = replace(settings or Settings(rate_per_s=0), port=0)
    service = Service(collections, chosen)
    server = uvicorn.Server(server_config(service))
    with listening(chosen) as listener:
        thread = Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            until(lambda: server.started and all(reader.is_ready for reader in service.readers.values()))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", service
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
