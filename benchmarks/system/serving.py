"""A server process over a collection of random vectors, for the benchmarks of the server."""

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

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.command import PROGRAM, run_program
from unite_search.encoders.base import Encoder
from unite_search.storage.export import CAPTION, ENCODER_FILE, PATH

READY_S = 120.0


def write_collection(folder: Path, encoder: Encoder, items: int) -> Path:
    """Import random unit vectors, as if the encoder had made them, into a new collection; returns its folder."""
    vectors = folder / "vectors"
    for part in ("img_emb", "metadata"):
        (vectors / part).mkdir(parents=True)
    rows = np.random.default_rng(0).normal(size=(items, encoder.dim)).astype(np.float32)
    np.save(vectors / "img_emb" / "img_emb_0.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    names = [f"/photos/{number:06}.jpg" for number in range(items)]
    captions = [f"picture number {number}" for number in range(items)]
    pq.write_table(pa.table({PATH: names, CAPTION: captions}), vectors / "metadata" / "metadata_0.parquet")
    about = {"encoder": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}
    (vectors / ENCODER_FILE).write_text(json.dumps(about), encoding="utf-8")
    run_program("import", str(vectors), "--db", str(folder / "db"))
    return folder / "db"


@contextmanager
def server(database: Path) -> Iterator[tuple[str, int]]:
    """Run `unite-search serve` until the block ends; hands out its address and pid."""
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
    """Ask the server for hits.

    Raises:
        urllib.error.URLError: it did not answer with status 200.
    """
    body = json.dumps(asked).encode()
    request = urllib.request.Request(f"{address}/api/v1/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def resident_bytes(pid: int) -> int:
    """Memory that a process of its own has mapped in anonymous pages: what it allocated, without files."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/status has no RssAnon")


def load_average() -> float:
    """Runnable processes of the last minute: above the number of cores, others disturbed the measurement."""
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
