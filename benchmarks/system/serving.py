"""Run a server process on a collection of random vectors, for the benchmarks of the server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common.command import PROGRAM, run_program
from benchmarks.common.exported import random_rows, write_export
from unite_search.encoders.base import Encoder

READY_S = 120.0


def write_collection(folder: Path, encoder: Encoder, items: int) -> Path:
    """Import random unit vectors into a new collection, as if the encoder had made them; returns its folder."""
    write_export(folder / "vectors", random_rows(items, encoder.dim), encoder)
    run_program("import", str(folder / "vectors"), "--db", str(folder / "db"))
    return folder / "db"


@contextmanager
def server(database: Path) -> Iterator[tuple[str, int]]:
    """Run `unite-search serve` until the block ends; yields its address and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*PROGRAM, "serve", "--db", str(database), "--port", str(port), "--rate", "0"])
    address = f"http://127.0.0.1:{port}"
    try:
        _await_ready(address)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def post(address: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Send a search request to the server and return its answer.

    Raises:
        urllib.error.URLError: the server did not answer with status 200.
    """
    body = json.dumps(asked).encode()
    request = urllib.request.Request(f"{address}/api/v1/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def resident_bytes(pid: int) -> int:
    """Return the resident anonymous memory of a process: what it has allocated, without mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/status has no RssAnon")


def load_average() -> float:
    """Return the load average of the last minute; above the number of cores, other processes disturb a measurement."""
    return round(os.getloadavg()[0], 2)


def _await_ready(address: str) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=10):
                return
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
