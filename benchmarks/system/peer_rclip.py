"""Measure rclip: `peer_rclip.py FOLDER ITEMS ROUNDS`, run by a Python that has it; prints JSON.

Neither program runs its model: the vector of a picture is made of the first bytes of its pixels, that of a text is
constant. All other steps are timed: walking, hashing, decoding, resizing, storing; reading vectors, ranking.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rclip import db, main, model  # type: ignore[import-not-found]

TOP = 10
BATCH = 8
"""The default of rclip's command line."""


class NoModel(model.Model):  # type: ignore[misc]
    """Returns vectors without running a model."""

    def compute_preprocessed_image_features(self, images: Sequence[Any], *, for_indexing: bool = False) -> Any:
        """Return (N, 512) float32 unit rows, from the pictures' first pixels."""
        rows = np.stack([image.ravel()[: self.VECTOR_SIZE] for image in images]) + 1e-3
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def compute_features_for_queries(self, queries: Sequence[str]) -> Any:
        """Return (512,) float32: a constant for any texts, zeros for none."""
        return np.full(self.VECTOR_SIZE, float(bool(queries)), np.float32)


def index(folder: Path) -> dict[str, float]:
    """Measure seconds of a first run over a folder, and of a second one that finds nothing new."""
    with tempfile.TemporaryDirectory() as temporary:
        first = _timed(lambda: _index_once(folder, Path(temporary)))
        again = _timed(lambda: _index_once(folder, Path(temporary)))
    return {"wall_s": first[0], "cpu_s": first[1], "again_wall_s": again[0], "again_cpu_s": again[1]}


def search(items: int, rounds: int) -> dict[str, Any]:
    """Measure milliseconds of a query that opens the database, and of the next ones."""
    rows = np.random.default_rng(0).normal(size=(items, model.Model.VECTOR_SIZE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        stored = db.DB(Path(temporary) / "db.sqlite3")
        for number, row in enumerate(rows / np.linalg.norm(rows, axis=1, keepdims=True)):
            photo = {"filepath": f"/photos/{number:07}.jpg", "modified_at": 0.0, "size": 1, "hash": str(number)}
            stored.upsert_image({**photo, "vector": row.tobytes()}, commit=False)
        stored.close()
        opened = [_timed(lambda: _open(Path(temporary)).search("x", "/photos", top_k=TOP))[0] for _ in range(rounds)]
        warm = _open(Path(temporary))
        later = [_timed(lambda: warm.search("x", "/photos", top_k=TOP))[0] for _ in range(rounds)]
    return {
        "items": items,
        "open_and_query_ms": 1e3 * float(np.median(opened)),
        "query_ms": 1e3 * float(np.median(later)),
    }


def _index_once(folder: Path, data: Path) -> None:
    opened = _open(data)
    opened.ensure_index(str(folder))
    opened.close()
    opened._db.close()


def _open(data: Path) -> Any:
    return main.RClip(NoModel(), db.DB(data / "db.sqlite3"), BATCH, None)


def _timed(call: Any) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    print_to = os.dup(1)
    os.dup2(2, 1)
    asked, count, turns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    found = {"version": version("rclip"), "index": index(asked), "search": search(count, turns)}
    os.write(print_to, json.dumps(found).encode())
