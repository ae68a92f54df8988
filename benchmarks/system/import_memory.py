"""Measure the memory that `import` takes for a million rows in one shard, and that it grows little with the rows.

The program runs as a user runs it. Its memory is the peak resident set that the kernel counted, pages of mapped files
included. The rows have the structure of real embeddings, see `clustered`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.clustered import Clustered
from benchmarks.common.command import PROGRAM, run_program
from unite_search.storage.export import CAPTION, PATH

SIZES = (("float32", 100_000, 384), ("float32", 1_000_000, 512))
"""Type of number, rows and dimensions of each shard."""
BLOCK_ROWS = 50_000
MIB = 2**20
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
sys.stderr.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\\n")
sys.exit(code)
"""
"""Linux counts the memory of the process that starts another as that one's peak, so a small process starts it."""


def run() -> dict[str, Any]:
    """Import shards of each size; returns peak memory, seconds and what `verify` says."""
    return {f"{rows}x{dim} {dtype}": _measured(dtype, rows, dim) for dtype, rows, dim in SIZES}


def _measured(dtype: str, rows: int, dim: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder, database = Path(temporary) / "vectors", Path(temporary) / "db"
        write_shard(folder, dtype, rows, dim)
        started = time.perf_counter()
        items, peak_bytes = import_shard(folder, database)
        wall_s = time.perf_counter() - started
        verified = run_program("verify", "--db", str(database), "--json").output
        stored = sum(path.stat().st_size for path in database.rglob("*") if path.is_file())
    return {
        "items": items,
        "peak_mib": round(peak_bytes / MIB),
        "vectors_mib": round(rows * dim * np.dtype(dtype).itemsize / MIB),
        "collection_mib": round(stored / MIB),
        "wall_s": round(wall_s, 1),
        "problems": verified["problems"],
    }


def write_shard(folder: Path, dtype: str, rows: int, dim: int) -> None:
    """Write one shard of clip-retrieval, block by block, with a path and a caption for each row."""
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir(parents=True)
    source = Clustered(dim)
    shard = np.lib.format.open_memmap(folder / "img_emb" / "img_emb_0.npy", "w+", np.dtype(dtype), (rows, dim))
    schema = pa.schema([(PATH, pa.utf8()), (CAPTION, pa.utf8()), ("similarity", pa.float64())])
    with pq.ParquetWriter(folder / "metadata" / "metadata_0.parquet", schema) as metadata:
        for start in range(0, rows, BLOCK_ROWS):
            numbers = range(start, min(start + BLOCK_ROWS, rows))
            shard[numbers.start : numbers.stop] = source.draw(len(numbers), seed=start)
            paths = [f"/photos/{number // 1000:04}/{number:07}.jpg" for number in numbers]
            captions = [f"picture number {number}" for number in numbers]
            similarities = [number / rows for number in numbers]
            metadata.write_table(pa.table([paths, captions, similarities], schema=schema))
    shard.flush()


def import_shard(folder: Path, database: Path) -> tuple[int, int]:
    """Run `import`; returns the number of items and the peak resident set in bytes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-c", LAUNCHER, *PROGRAM, "import", str(folder), "--db", str(database), "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    *messages, peak_kib = finished.stderr.splitlines()
    if finished.returncode:
        raise subprocess.CalledProcessError(finished.returncode, command, stderr="\n".join(messages))
    return json.loads(finished.stdout)["items"], int(peak_kib) * 1024
