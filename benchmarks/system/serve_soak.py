"""Query a server for ten minutes while another process indexes; measures errors, latency, memory and update delay."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from PIL import Image

from benchmarks.common.command import run_program
from benchmarks.system.serving import load_average, post, resident_bytes, server, write_collection
from unite_search.encoders.base import Encoder

ITEMS = 100_000
SECONDS = 600.0
CLIENTS = 4
PICTURES_A_RUN = 60
MEMORY_EVERY_S = 2.0
SETTLE_S = 60.0
FOUND_WITHIN_S = 30.0


@dataclass(slots=True)
class _Observations:
    """The measurements of the clients and of the memory observer."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    found_after_s: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


def run(encoder: Encoder) -> dict[str, Any]:
    """Run a server, query it from several threads, and keep indexing new pictures."""
    seen = _Observations()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        database = write_collection(folder, encoder, ITEMS)
        (folder / "new").mkdir()
        with server(database) as (address, pid):
            threads = [threading.Thread(target=_ask, args=(address, number, seen)) for number in range(CLIENTS)]
            threads.append(threading.Thread(target=_watch, args=(pid, seen)))
            for thread in threads:
                thread.start()
            try:
                runs = _index_for(SECONDS, address, folder / "new", database, seen)
            finally:
                seen.stopped.set()
                for thread in threads:
                    thread.join()
    return {**_summary(seen), "items": ITEMS, "clients": CLIENTS, "index_runs": runs, "load_average": load_average()}


def _index_for(seconds: float, address: str, folder: Path, database: Path, seen: _Observations) -> int:
    """Add pictures and index them until the time is over; after each run, wait until the server finds the last one."""
    until, runs = time.monotonic() + seconds, 0
    random = np.random.default_rng(1)
    while time.monotonic() < until:
        for number in range(PICTURES_A_RUN):
            pixels = random.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(pixels).resize((320, 240)).save(folder / f"{runs:04}-{number:03}.jpg")
        run_program("index", str(folder), "--db", str(database), "--quiet")
        _await_found(address, f"{runs:04}-{PICTURES_A_RUN - 1:03}.jpg", seen)
        runs += 1
    return runs


def _await_found(address: str, name: str, seen: _Observations) -> None:
    started = time.monotonic()
    while time.monotonic() - started < FOUND_WITHIN_S:
        if post(address, {"texts": ["noise"], "where": f"name = '{name}'", "top_k": 1})["hits"]:
            seen.found_after_s.append(time.monotonic() - started)
            return
        time.sleep(0.05)
    seen.errors.append(f"{name} was not found within {FOUND_WITHIN_S:.0f} s")


def _ask(address: str, client: int, seen: _Observations) -> None:
    number = 0
    while not seen.stopped.is_set():
        number += 1
        started = time.perf_counter()
        try:
            found = post(address, {"texts": [f"a dog on the beach, {client}-{number}"], "top_k": 10})
        except (URLError, OSError) as error:
            seen.errors.append(repr(error))
            continue
        seen.latencies_ms.append((time.perf_counter() - started) * 1e3)
        if len(found["hits"]) != 10:
            seen.errors.append(f"{len(found['hits'])} hits instead of 10")


def _watch(pid: int, seen: _Observations) -> None:
    started = time.monotonic()
    while not seen.stopped.wait(MEMORY_EVERY_S):
        seen.memory.append((time.monotonic() - started, resident_bytes(pid)))


def _summary(seen: _Observations) -> dict[str, Any]:
    last = seen.memory[-1][0]
    early = [size for at, size in seen.memory if SETTLE_S <= at < 2 * SETTLE_S]
    late = [size for at, size in seen.memory if at > last - SETTLE_S]
    latencies = statistics.quantiles(seen.latencies_ms, n=100)
    return {
        "seconds": round(last),
        "queries": len(seen.latencies_ms),
        "errors": len(seen.errors),
        "first_errors": seen.errors[:5],
        "p50_ms": round(latencies[49], 1),
        "p99_ms": round(latencies[98], 1),
        "found_after_s": {
            "median": round(statistics.median(seen.found_after_s), 2),
            "max": round(max(seen.found_after_s), 2),
        },
        "own_memory_mb": {
            "second_minute": round(statistics.median(early) / 1e6, 1),
            "last_minute": round(statistics.median(late) / 1e6, 1),
            "peak": round(max(size for _, size in seen.memory) / 1e6, 1),
        },
    }
