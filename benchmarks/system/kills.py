"""`index` killed with SIGKILL at random moments, then finished: is every item there once, and none embedded twice?

An id is given once, when an item is embedded. So a committed file that keeps its id through all later runs was never
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
from benchmarks.system.ingest import _linked
from unite_search.encoders.base import Encoder
from unite_search.storage.catalog import Catalog
from unite_search.storage.metadata import FILE_NAME

KILLS = 50
SHORTEST_S, LONGEST_S = 0.2, 4.0


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Kill, look at the catalog, go on; at last let one run finish."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, database = Path(temporary) / "photos", Path(temporary) / "db"
        photos = [photo.path for photo in read_photos(data, "train")]
        _linked(folder, photos)
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
        last = run_program("index", str(folder), "--db", str(database), "--json").output
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
    """Start an index run and kill it; true when it was still running then."""
    command = [*PROGRAM, "index", str(folder), "--db", str(database), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    was_running = process.poll() is None
    process.kill()
    process.wait()
    return was_running


def _ids(database: Path, encoder: Encoder) -> dict[str, int]:
    """The id of each file; a file that stands there twice is an error at once."""
    if not (database / FILE_NAME).exists():
        return {}
    pairs = Catalog(database / "catalog", dim=encoder.dim).files()
    ids = dict(pairs)
    if len(ids) != len(pairs):
        raise ValueError("a file is in the catalog twice")
    return ids
