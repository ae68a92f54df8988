"""Compare with rclip, and with clip-retrieval and autofaiss, on the same machine, photos and vectors.

Each of them runs in a virtual environment of its own, whose Python is named by `$RCLIP_PYTHON` or
`$CLIP_RETRIEVAL_PYTHON`; the scripts that run there are `peer_rclip.py` and `peer_clip_retrieval.py`. No program runs
its model, since the comparison is about everything else. The programs run one after the other; times are wall seconds,
and CPU seconds of all their processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.clustered import Clustered
from benchmarks.common.exported import random_rows, write_export
from benchmarks.common.free_encoder import FreeEncoder
from benchmarks.common.photos import read_photos
from benchmarks.common.timing import children_cpu_s
from benchmarks.system.ingest import link_files
from unite_search.collection import Collection
from unite_search.errors import UniteSearchError
from unite_search.query import SearchOptions
from unite_search.report import IndexOptions
from unite_search.search.encoding import QueryVector

VARIABLES = {"rclip": "RCLIP_PYTHON", "clip-retrieval": "CLIP_RETRIEVAL_PYTHON"}
PHOTOS = 3000
ITEMS = 50_000
RCLIP_DIM = 512
DIM = 384
QUERIES = 200
ROUNDS = 5
TOP = SearchOptions(top_k=10)

Vectors = NDArray[np.float32]


def run(data: Path) -> dict[str, Any]:
    """Compare with each program whose Python is named by an environment variable.

    Raises:
        UniteSearchError: neither variable is set, or a script failed.
    """
    named = {name: os.environ[variable] for name, variable in VARIABLES.items() if os.environ.get(variable)}
    if not named:
        raise UniteSearchError(f"set {' or '.join(f'${name}' for name in VARIABLES.values())} to a Python that has it")
    with tempfile.TemporaryDirectory() as temporary:
        compared = {"rclip": _rclip, "clip-retrieval": _clip_retrieval}
        return {name: compared[name](python, data, Path(temporary)) for name, python in named.items()}


def _rclip(python: str, data: Path, temporary: Path) -> dict[str, Any]:
    photos = link_files(temporary / "photos", [photo.path for photo in read_photos(data, "train")[:PHOTOS]])
    theirs = _peer(python, "peer_rclip.py", str(photos), str(ITEMS), str(ROUNDS))
    ours = {"index": _index(photos, temporary), "search": _search(temporary)}
    return {"photos": len(list(photos.iterdir())), "rclip": theirs, "unite-search": ours}


def _index(photos: Path, temporary: Path) -> dict[str, float]:
    """Measure seconds of a first run over a folder, and of a second one that finds nothing new."""
    with Collection.open(temporary / "indexed", encoder=FreeEncoder(), create=True) as collection:
        first = _timed(lambda: collection.index([photos], IndexOptions(follow_links=True)))
        again = _timed(lambda: collection.index([photos], IndexOptions(follow_links=True)))
    return {"wall_s": first[0], "cpu_s": first[1], "again_wall_s": again[0], "again_cpu_s": again[1]}


def _search(temporary: Path) -> dict[str, Any]:
    """Measure milliseconds of a query that opens the collection, and of the next ones."""
    write_export(temporary / "random", random_rows(ITEMS, RCLIP_DIM), FreeEncoder())
    Collection.from_export(temporary / "random", temporary / "searched").close()
    query = QueryVector(np.full(RCLIP_DIM, RCLIP_DIM**-0.5, np.float32))

    def first() -> None:
        with Collection.open(temporary / "searched", encoder=FreeEncoder()) as collection:
            collection.search_vector(query, TOP)

    opened = [_timed(first)[0] for _ in range(ROUNDS)]
    with Collection.open(temporary / "searched", encoder=FreeEncoder()) as collection:
        later = [_timed(lambda: collection.search_vector(query, TOP))[0] for _ in range(ROUNDS)]
    return {
        "items": ITEMS,
        "open_and_query_ms": 1e3 * statistics.median(opened),
        "query_ms": 1e3 * statistics.median(later),
    }


def _clip_retrieval(python: str, _data: Path, temporary: Path) -> dict[str, Any]:
    rows = Clustered(DIM).draw(ITEMS, 1)
    queries = Clustered(DIM).draw(QUERIES, 2)
    export = temporary / "export"
    write_export(export, rows, FreeEncoder())
    np.save(temporary / "queries.npy", queries)
    theirs = _peer(python, "peer_clip_retrieval.py", str(export), str(temporary / "queries.npy"))
    exact = [set(np.argsort(-(rows @ query))[:10].tolist()) for query in queries]
    theirs["recall@10"] = _recall(theirs.pop("found"), exact)
    return {"items": ITEMS, "dim": DIM, "clip-retrieval": theirs, "unite-search": _imported(export, queries, exact)}


def _imported(export: Path, queries: Vectors, exact: Sequence[set[int]]) -> dict[str, Any]:
    """Import the same vectors here; measures seconds to build and to open, and milliseconds per query."""
    folder = export.parent / "imported"
    build = _timed(lambda: Collection.from_export(export, folder).close())
    found, seconds = [], []
    opened = time.perf_counter()
    with Collection.open(folder) as collection:
        opening = time.perf_counter() - opened
        for query in queries:
            started = time.perf_counter()
            hits = collection.search_vector(QueryVector(query), TOP).hits
            seconds.append(time.perf_counter() - started)
            found.append([int(Path(hit.uri).stem) for hit in hits])
    return {
        "build_wall_s": build[0],
        "build_cpu_s": build[1],
        "open_s": opening,
        "query_ms": 1e3 * statistics.median(seconds),
        "recall@10": _recall(found, exact),
    }


def _recall(found: Sequence[Sequence[int]], exact: Sequence[set[int]]) -> float:
    return statistics.mean(len(right.intersection(ids)) / len(right) for ids, right in zip(found, exact, strict=True))


def _peer(python: str, script: str, *arguments: str) -> dict[str, Any]:
    """Run a script in the folder of this file with another Python; returns the JSON that it prints."""
    command = [python, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise UniteSearchError(f"{script} ended with {done.returncode}; does {python} have the package?")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return wall seconds, and CPU seconds with those of child processes that have ended."""
    wall, cpu = time.perf_counter(), time.process_time() + children_cpu_s()
    call()
    return time.perf_counter() - wall, time.process_time() + children_cpu_s() - cpu
