"""Measure what small runs of `index` write: one text added to 30,000 items, and 300 files in 300 runs or in one.

The encoder costs nothing and the vectors are random. Bytes written are those of the process's calls of the system
(`wchar` of `/proc/self/io`), so they are counted whether they reach the disk or not.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.exported import random_rows, write_export
from benchmarks.common.free_encoder import FreeEncoder
from unite_search.collection import Collection
from unite_search.recovery import verify_folder
from unite_search.report import IndexOptions

ITEMS = 30_000
ADDED = 50
FILES = 300
DIM = 384
ONE_WORKER = IndexOptions(workers=1)
MEGABYTE = 1e6


def run() -> dict[str, Any]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        return {"dim": DIM, "one_text": _one_text_at_a_time(folder / "large"), "files": _one_file_at_a_time(folder)}


def _one_text_at_a_time(folder: Path) -> dict[str, Any]:
    """Add texts to a large collection, one in each run; return the megabytes that each run wrote."""
    folder.mkdir()
    encoder = FreeEncoder(DIM)
    write_export(folder / "vectors", random_rows(ITEMS, DIM), encoder)
    Collection.from_export(folder / "vectors", folder / "db").close()
    before = size_of(folder / "db")
    written = [_added(folder / "db", folder / "texts", number) for number in range(ADDED)]
    return {
        "items": ITEMS,
        "runs": ADDED,
        "median_written_mb": round(statistics.median(written), 3),
        "mean_written_mb": round(statistics.fmean(written), 3),
        "most_written_mb": round(max(written), 3),
        "grown_by_mb_per_run": round((size_of(folder / "db") - before) / MEGABYTE / ADDED, 4),
        "verify": problems_of(folder / "db"),
    }


def _one_file_at_a_time(folder: Path) -> dict[str, Any]:
    """Index the same files in many runs and in one; return the sizes of both collections."""
    for number in range(FILES):
        _added(folder / "many", folder / "texts", number)
    with Collection.open(folder / "one", encoder=FreeEncoder(DIM), create=True) as collection:
        collection.index([folder / "texts"], ONE_WORKER)
    many, one = size_of(folder / "many"), size_of(folder / "one")
    return {
        "files": FILES,
        "many_runs_mb": round(many / MEGABYTE, 3),
        "one_run_mb": round(one / MEGABYTE, 3),
        "ratio": round(many / one, 2),
        "verify": problems_of(folder / "many"),
    }


def _added(database: Path, texts: Path, number: int) -> float:
    """Write a text, index it in a run of its own, and return the megabytes written meanwhile."""
    texts.mkdir(exist_ok=True)
    path = texts / f"{number:04}.txt"
    path.write_text(f"text number {number} of a few words", encoding="utf-8")
    before = _written()
    with Collection.open(database, encoder=FreeEncoder(DIM), create=True) as collection:
        collection.index([path], ONE_WORKER)
    return (_written() - before) / MEGABYTE


def _written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def problems_of(database: Path) -> list[str]:
    """Return what `verify` finds."""
    return verify_folder(database)
