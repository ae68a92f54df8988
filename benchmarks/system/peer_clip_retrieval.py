"""Measure clip-retrieval: `peer_clip_retrieval.py EXPORT QUERIES.npy`, run by a Python that has it; prints JSON.

The index is the one that its `index` command builds, by autofaiss with its own defaults and one thread per core. A
query does what `/knn-service` does for an `embedding_input`, without HTTP and without deduplication. The module that
computes embeddings is replaced by an empty one, because it imports the packages of all its models.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

INFERENCE = "clip_retrieval.clip_inference"
sys.modules[INFERENCE] = ModuleType(INFERENCE)
sys.modules[f"{INFERENCE}.main"] = ModuleType(f"{INFERENCE}.main")
sys.modules[f"{INFERENCE}.main"].main = None  # type: ignore[attr-defined]

from clip_retrieval import clip_index  # type: ignore[import-not-found]  # noqa: E402
from clip_retrieval.clip_back import (  # type: ignore[import-not-found]  # noqa: E402
    ClipResource,
    KnnService,
    load_index,
    load_metadata_provider,
)

TOP = 10
COLUMNS = ["image_path", "caption"]


def measure(export: Path, queries: Any) -> dict[str, Any]:
    """Measure seconds to build and to open, and milliseconds per query; returns them with the ids that were found."""
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary) / "index"
        built.mkdir()
        started, cpu = time.perf_counter(), time.process_time()
        clip_index(str(export), str(built), nb_cores=os.cpu_count())
        build = time.perf_counter() - started, time.process_time() - cpu
        started = time.perf_counter()
        service = _open(built)
        opening = time.perf_counter() - started
        found, seconds = [], []
        for query in queries:
            started = time.perf_counter()
            hits = service.query(embedding_input=query.tolist(), num_images=TOP, num_result_ids=TOP, deduplicate=False)
            seconds.append(time.perf_counter() - started)
            found.append([hit["id"] for hit in hits])
        about = json.loads((built / "image.json").read_text())
    return {
        "version": version("clip-retrieval"),
        "autofaiss": version("autofaiss"),
        "index_key": about["index_key"],
        "build_wall_s": build[0],
        "build_cpu_s": build[1],
        "open_s": opening,
        "query_ms": 1e3 * float(np.median(seconds)),
        "found": found,
    }


def _open(built: Path) -> Any:
    image_index = load_index(str(built / "image.index"), False)
    provider, _ = load_metadata_provider(str(built), False, False, image_index, COLUMNS, False)
    absent = dict.fromkeys(ClipResource.__dataclass_fields__)
    known = {"image_index": image_index, "metadata_provider": provider, "columns_to_return": COLUMNS}
    resource = ClipResource(**{**absent, **known, "metadata_is_ordered_by_ivf": False})
    return KnnService(clip_resources={"images": resource})


if __name__ == "__main__":
    print_to = os.dup(1)
    os.dup2(2, 1)
    os.write(print_to, json.dumps(measure(Path(sys.argv[1]), np.load(sys.argv[2]))).encode())
