"""Measure the latency of text queries over HTTP with 1, 8 and 32 clients, and that of encoder and index alone.

wrk generates the load; every query has a different text. Encoder and index alone are measured before and after, and the
lower sum counts.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.system.serving import load_average, server, write_collection
from unite_search.content import Content
from unite_search.encoders.base import Encoder
from unite_search.errors import UniteSearchError
from unite_search.storage.store import Store

ITEMS = 100_000
CLIENTS = (1, 8, 32)
SECONDS = 20
BARE_QUERIES = 60
TOP_K = 10
SCRIPT = """
local count = 0
local id = 0
function setup(thread) id = id + 1; thread:set("id", id) end
function request()
  count = count + 1
  local words = "a dog runs along the beach, number " .. id .. "-" .. count
  return wrk.format("POST", "/api/v1/search", {["Content-Type"] = "application/json"},
    '{"texts": ["' .. words .. '"], "top_k": 10}')
end
function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('\\nJSON {"requests": %d, "seconds": %.2f, "failed": %d, "p50_ms": %.2f, "p99_ms": %.2f}\\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def run(encoder: Encoder) -> dict[str, Any]:
    """Measure the server, and encoder and index alone.

    Raises:
        UniteSearchError: wrk is not installed.
    """
    if shutil.which("wrk") is None:
        raise UniteSearchError("needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        database = write_collection(folder, encoder, ITEMS)
        script = folder / "queries.lua"
        script.write_text(SCRIPT, encoding="ascii")
        before = _bare(database, encoder)
        with server(database) as (address, _):
            _load(address, script, clients=1, seconds=3)
            measured = {f"{clients}_clients": _load(address, script, clients, SECONDS) for clients in CLIENTS}
        after = _bare(database, encoder)
    bare = min(before, after, key=lambda it: it["sum_ms"])
    return {
        "items": ITEMS,
        "dim": encoder.dim,
        "bare": bare,
        "bare_before_and_after": [before, after],
        **measured,
        "p50_over_bare": round(measured["1_clients"]["p50_ms"] / bare["sum_ms"], 2),
    }


def _load(address: str, script: Path, clients: int, seconds: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), address]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    measured: dict[str, float] = json.loads(output.split("JSON ")[1])
    rate = round(measured["requests"] / measured["seconds"], 1)
    return {**measured, "requests_per_s": rate, "load_average": load_average()}


def _bare(database: Path, encoder: Encoder) -> dict[str, float]:
    """Measure the median time of encoding one text, and of searching all partitions for its vector."""
    store = Store(database)
    texts = [f"a dog runs along the beach, number 0-{number}" for number in range(BARE_QUERIES)]
    embeddings = [encoder.encode([Content((text,))], role="query") for text in texts]
    encode_ms = _median_ms(lambda number: encoder.encode([Content((texts[number],))], role="query"))
    names = store.partitions.names()
    search_ms = _median_ms(lambda number: store.partitions.search(names, embeddings[number], TOP_K))
    return {
        "encode_ms": round(encode_ms, 2),
        "search_ms": round(search_ms, 2),
        "sum_ms": round(encode_ms + search_ms, 2),
        "load_average": load_average(),
    }


def _median_ms(act: Callable[[int], object]) -> float:
    times = []
    for number in range(BARE_QUERIES):
        started = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)
