"""Time to open from disk, warm and cold, and memory of a process that only searches; each in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.indexers.speed import FINGERPRINT, LARGE_ROWS, NAME, TOP, Data, at_most
from indexers.spec import FLOAT32, INT8

READ_BYTES = 1 << 23
REPEATS = 5
COLD_REPEATS = 3
"""Reading from a cold disk may take minutes."""
PROBE = """
import json, sys, time
from pathlib import Path
import numpy as np
from indexers.partitioned import PartitionedIndex
folder, dim, queries, name, top = Path(sys.argv[1]), *json.loads(sys.argv[2])
queries = np.load(queries)
cpu, wall = time.process_time(), time.perf_counter()
index = PartitionedIndex.open(folder, dim=dim, fingerprint=sys.argv[3])
index.search([name], queries[:1], top)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
for query in queries:
    index.search([name], query[None], top)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"cpu_s": cpu, "wall_s": wall, "resident_bytes": int(status["VmRSS"].split()[0]) * 1024}))
"""


def run(data: Data) -> dict[str, Any]:
    """For each kind, measure opening and the first query, and memory after 256 queries."""
    queries = data.folder / "queries.npy"
    np.save(queries, data.queries)
    table = {spec: _kind(data, spec, queries) for spec in dict.fromkeys((FLOAT32, INT8, data.default))}
    checks = {}
    if len(data.rows) >= LARGE_ROWS:
        for spec, row in table.items():
            checks[f"{spec}: CPU seconds to open and answer, warm"] = at_most(0.3, row["warm_cpu_s"])
            checks[f"{spec}: time to open and answer, cold, by that of reading what is scanned"] = at_most(
                1, row["cold_share_of_read"]
            )
        checks["default: resident memory by that of float32 rows"] = at_most(
            0.35, table[data.default]["resident_share_of_float32"]
        )
    return {"checks": checks, "default": data.default, "kinds": table}


def _kind(data: Data, spec: str, queries: Path) -> dict[str, Any]:
    data.stored(spec)
    folder = data.place(spec)
    files = sorted(path for path in folder.iterdir() if path.suffix != ".json")
    scanned = next((path for path in files if path.name.endswith(".index.faiss")), None) or next(
        path for path in files if path.name.endswith(".rows.faiss")
    )
    warm = [_open(data, folder, queries) for _ in range(REPEATS)]
    cold, read = [], []
    for _ in range(COLD_REPEATS):
        _forget(files)
        cold.append(_open(data, folder, queries)["wall_s"])
        _forget(files)
        read.append(_read(scanned))
    resident = float(np.median([entry["resident_bytes"] for entry in warm]))
    return {
        "files_bytes": sum(path.stat().st_size for path in files),
        "scanned_bytes": scanned.stat().st_size,
        "warm_cpu_s": _median([entry["cpu_s"] for entry in warm]),
        "warm_wall_s": _median([entry["wall_s"] for entry in warm]),
        "cold_wall_s": _median(cold),
        "sequential_read_s": _median(read),
        "cold_share_of_read": round(float(np.median(np.divide(cold, read))), 3),
        "resident_bytes": int(resident),
        "resident_share_of_float32": round(resident / data.rows.nbytes, 3),
    }


def _open(data: Data, folder: Path, queries: Path) -> dict[str, Any]:
    arguments = json.dumps([data.rows.shape[1], str(queries), NAME, TOP])
    command = [sys.executable, "-c", PROBE, str(folder), arguments, FINGERPRINT]
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
    with path.open("rb", buffering=0) as stream:
        buffer = bytearray(READ_BYTES)
        while stream.readinto(buffer):
            pass
    return perf_counter() - start


def _median(values: list[float]) -> float:
    return round(float(np.median(values)), 4)
