"""Measure the CPU seconds of whole commands: the help, and a text query over ten thousand items."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.command import run_program
from benchmarks.common.exported import random_rows, write_export
from unite_search.encoders.base import Encoder

REPEATS = 9
ITEMS = 10_000


def run(encoder: Encoder) -> dict[str, Any]:
    """Measure each command several times, in turn, on a collection of random vectors."""
    with tempfile.TemporaryDirectory() as temporary:
        database = Path(temporary) / "db"
        write_export(Path(temporary) / "vectors", random_rows(ITEMS, encoder.dim), encoder)
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
