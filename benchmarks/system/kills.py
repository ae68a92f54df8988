"""Kill `index` with SIGKILL at random moments, then let it finish: every item must exist once and be embedded once.

An id is assigned once, when an item is embedded. So a committed file that keeps its id in all later runs was not
embedded again.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common.command import PROGRAM, run_program
from benchmarks.common.photos import read_photos
from benchmarks.system.ingest import link_files
from unite_search.encoders.base import Encoder
from unite_search.storage.catalog import Catalog
from unite_search.storage.metadata import FILE_NAME

KILLS = 50
SHORTEST_S, LONGEST_S = 0.2, 4.0


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Kill runs and check the catalog after each; at the end let one run finish."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, database = Path(temporary) / "photos", Path(temporary) / "db"
        photos = [photo.path for photo in read_photos(data, "train")]
        link_files(folder, photos)
        chance = random.Random(0)
        committed: dict[str, int] = {}
        lost = embedded_again = killed = 0
        grew = []
        for _ in range(KILLS):
            killed += _index_and_kill(folder, database, chance.uniform(SHORTEST_S, LONGEST_S))
            now = _ids(database, encoder)
            lost += len(committed.keys() - now.keys())
            embedded_again += sum(now.get(uri, id_) != id_ for uri, id_ in committed.items())
            grew.append(len(now))
            committed = now
        last = run_program("index", str(folder), "--db", str(database), "--follow-links", "--json").output
        problems = run_program("verify", "--db", str(database), "--json").output
        final = _ids(database, encoder)
    embedded_again += sum(final.get(uri, id_) != id_ for uri, id_ in committed.items())
    return {
        "kills": killed,
        "files": len(photos),
        "committed_after_each_kill": grew,
        "lost": lost + len(committed.keys() - final.keys()),
        "embedded_again_after_commit": embedded_again,
        "files_in_catalog_once": len(final),
        "embedded_by_last_run": last["embedded"],
        "unchanged_in_last_run": last["unchanged"],
        "verify": problems,
    }


def _index_and_kill(folder: Path, database: Path, after_s: float) -> bool:
    """Start an index run and kill it after a time; returns whether it was still running."""
    command = [*PROGRAM, "index", str(folder), "--db", str(database), "--follow-links", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    was_running = process.poll() is None
    process.kill()
    process.wait()
    return was_running


def _ids(database: Path, encoder: Encoder) -> dict[str, int]:
    """Return the id of each file in the catalog.

    Raises:
        ValueError: a file is in the catalog twice.
    """
    if not (database / FILE_NAME).exists():
        return {}
    pairs = Catalog(database / "catalog", dim=encoder.dim).files()
    ids = dict(pairs)
    if len(ids) != len(pairs):
        raise ValueError("a file is in the catalog twice")
    return ids
