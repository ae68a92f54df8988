"""Measure how time and memory grow with the size of a collection: importing, adding, opening, searching.

The encoder costs nothing, so that only the engine is measured. Vectors are synthetic, see `clustered`. There is one
collection for each size; the ratios to the smallest one matter most.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.clustered import Clustered
from benchmarks.common.command import run_program
from benchmarks.common.exported import write_export
from benchmarks.common.free_encoder import FreeEncoder
from benchmarks.common.plot import log_log
from benchmarks.common.results import RESULTS
from unite_search.collection import Collection
from unite_search.query import SearchOptions
from unite_search.search.encoding import QueryVector

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TEXT_SIZES = (1_000, 10_000)
"""Writing more files would take longer than indexing them."""
DIM = 384
ADDED = 100
ROUNDS = 5
VECTORS, QUERY = 1, 2
"""Seeds of the vectors and of the query."""
TOP = SearchOptions(top_k=10)
PLOT = "scaling.svg"
LINES = {
    "import_s": "import vectors",
    "index_s": "index as many text files",
    "add_s": f"add {ADDED} files",
    "nothing_new_s": "run again, nothing new",
    "open_s": "open",
    "query_s": "query",
    "status_cpu_s": "status command, CPU",
}

Numbers = dict[str, float]


def run() -> dict[str, Any]:
    """Measure every size, and draw `docs/results/scaling.svg`."""
    with tempfile.TemporaryDirectory() as temporary:
        by_size: dict[int, Numbers] = {size: _measured(size, Path(temporary) / str(size)) for size in SIZES}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / PLOT).write_text(_plot(by_size), encoding="utf-8")
    return {
        "dim": DIM,
        "rounds": ROUNDS,
        "by_size": {str(size): {name: _short(value) for name, value in one.items()} for size, one in by_size.items()},
        "ratios_to_smallest": _ratios(by_size),
    }


def _measured(size: int, folder: Path) -> Numbers:
    folder.mkdir()
    numbers = {"import_s": _import(size, folder)}
    if size in TEXT_SIZES:
        numbers["index_s"] = _index_texts(size, folder)
    numbers |= _change(folder)
    numbers |= _ask(folder)
    status = run_program("status", "--db", str(folder / "db"), "--json", with_memory=True)
    return numbers | {"status_cpu_s": status.cpu_s, "status_peak_mib": status.peak_bytes / 2**20}


def _import(size: int, folder: Path) -> float:
    """Import vectors into a new collection; returns seconds."""
    write_export(folder / "vectors", Clustered(DIM).draw(size, VECTORS), FreeEncoder(DIM))
    return _seconds(lambda: Collection.from_export(folder / "vectors", folder / "db").close())


def _index_texts(size: int, folder: Path) -> float:
    """Index as many small text files; returns seconds."""
    _write_texts(folder / "texts", size)
    with Collection.open(folder / "texts-db", encoder=FreeEncoder(DIM), create=True) as collection:
        return _seconds(lambda: collection.index([folder / "texts"]))


def _change(folder: Path) -> Numbers:
    """Time adding `ADDED` files to the collection, and a run that finds nothing new."""
    _write_texts(folder / "added", ADDED)
    with Collection.open(folder / "db", encoder=FreeEncoder(DIM)) as collection:
        added = _seconds(lambda: collection.index([folder / "added"]))
        again = statistics.median(_seconds(lambda: collection.index([folder / "added"])) for _ in range(ROUNDS))
    return {"add_s": added, "nothing_new_s": again}


def _ask(folder: Path) -> Numbers:
    query = QueryVector(Clustered(DIM).draw(1, QUERY)[0])

    def opened() -> None:
        Collection.open(folder / "db", encoder=FreeEncoder(DIM)).close()

    with Collection.open(folder / "db", encoder=FreeEncoder(DIM)) as collection:
        collection.search_vector(query, TOP)
        asked = [_seconds(lambda: collection.search_vector(query, TOP)) for _ in range(4 * ROUNDS)]
    return {
        "open_s": statistics.median(_seconds(opened) for _ in range(ROUNDS)),
        "query_s": statistics.median(asked),
    }


def _write_texts(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:07}.txt").write_text(f"{np.base_repr(number, 36)} in {folder}\n", encoding="utf-8")


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _ratios(by_size: dict[int, Numbers]) -> dict[str, dict[str, float]]:
    """Divide the costs of each size by those of the smallest."""
    first = by_size[SIZES[0]]
    return {
        str(size): {name: round(value / first[name], 1) for name, value in numbers.items()}
        for size, numbers in by_size.items()
        if size != SIZES[0]
    }


def _plot(by_size: dict[int, Numbers]) -> str:
    series = {
        label: [(size, numbers[name]) for size, numbers in by_size.items() if name in numbers]
        for name, label in LINES.items()
    }
    return log_log(series, title="Costs by size of the collection", x_label="items", y_label="seconds")


def _short(value: float) -> float:
    return float(f"{value:.4g}")
