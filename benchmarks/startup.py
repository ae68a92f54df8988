"""CPU seconds of whole commands: the help, and a text query over ten thousand items."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.command import run_program
from unite_search.encoders.base import Encoder
from unite_search.export import CAPTION, ENCODER_FILE, PATH

REPEATS = 9
ITEMS = 10_000


def run(encoder: Encoder) -> dict[str, Any]:
    """Measure each command several times, alternating; the collection holds random vectors."""
    with tempfile.TemporaryDirectory() as temporary:
        database = Path(temporary) / "db"
        _write_vectors(Path(temporary) / "vectors", encoder)
        run_program("import", f"{temporary}/vectors", "--db", str(database))
        commands = {
            "help": ("--help",),
            "query": ("query", "a dog on the beach", "--db", str(database), "--json"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(REPEATS):
            for name, arguments in commands.items():
                seconds[name].append(run_program(*arguments).cpu_s)
    return {
        "items": ITEMS,
        "repeats": REPEATS,
        "median_cpu_s": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "all_cpu_s": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
    }


def _write_vectors(folder: Path, encoder: Encoder) -> None:
    """An export of random unit vectors, as if the encoder had made them."""
    rows = np.random.default_rng(0).normal(size=(ITEMS, encoder.dim)).astype(np.float32)
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir(parents=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    names = [f"/photos/{number:05}.jpg" for number in range(ITEMS)]
    captions = [f"picture number {number}" for number in range(ITEMS)]
    pq.write_table(pa.table({PATH: names, CAPTION: captions}), folder / "metadata" / "metadata_0.parquet")
    about = {"encoder": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}
    (folder / ENCODER_FILE).write_text(json.dumps(about), encoding="utf-8")
