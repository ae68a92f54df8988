"""Opening from disk, warm and cold, and the memory of a process that only searches. Each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.speed import Data

SPECS = ("float32", "int8", None)
READ_BYTES = 1 << 23
REPEATS = 5
PROBE = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from indexers.partitioned import PartitionedIndex
folder, dim, queries = Path(sys.argv[1]), int(sys.argv[2]), np.load(sys.argv[3])
cpu, wall = time.process_time(), time.perf_counter()
index = PartitionedIndex.open(folder, dim=dim, fingerprint="speed")
index.search(["image"], queries[:1], 10)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
for query in queries:
    index.search(["image"], query[None], 10)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
memory = {name: int(status[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon", "RssFile")}
print(json.dumps({"cpu_s": cpu, "wall_s": wall, **memory}))
"""


def run(data: Data) -> dict[str, Any]:
    """For each kind: opening and the first query, memory after 256 queries, as shares of what the rows would take."""
    queries = data.folder / "queries.npy"
    np.save(queries, data.queries)
    table: dict[str, Any] = {}
    for spec in SPECS:
        data.stored(spec)
        folder = data.folder / (spec or "default")
        files = sorted(path for path in folder.iterdir() if path.suffix != ".json")
        warm = [_open(folder, data, queries) for _ in range(REPEATS)]
        cold, read = [], []
        for _ in range(REPEATS):
            _forget(files)
            cold.append(_open(folder, data, queries)["wall_s"])
            _forget(files)
            read.append(sum(_read(path) for path in files))
        table[spec or "default"] = {
            "size_bytes": sum(path.stat().st_size for path in files),
            "warm_cpu_s": _median([entry["cpu_s"] for entry in warm]),
            "warm_wall_s": _median([entry["wall_s"] for entry in warm]),
            "cold_wall_s": _median(cold),
            "sequential_read_s": _median(read),
            "resident_bytes": warm[0]["VmRSS"],
            "resident_share_of_float32": round(warm[0]["VmRSS"] / data.rows.nbytes, 3),
        }
    return table


def _open(folder: Path, data: Data, queries: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", PROBE, str(folder), str(data.rows.shape[1]), str(queries)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _forget(files: list[Path]) -> None:
    """Ask the system to drop the files from its cache."""
    for path in files:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(path: Path) -> float:
    start = perf_counter()
    with path.open("rb") as stream:
        while stream.read(READ_BYTES):
            pass
    return perf_counter() - start


def _median(values: list[float]) -> float:
    return round(float(np.median(values)), 4)
