"""Searching through `PartitionedIndex` against the best raw Faiss call for the same job, and the kinds side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed import NAME, TOP, Data
from benchmarks.timing import faiss_settings, in_turns
from indexers.engine import faiss
from indexers.partitioned import PartitionedIndex

SPECS = ("float32", "float16", "int8", None)
BATCH = 64
SLOW_MS, VERY_SLOW_MS = 5, 500
MIXED_ROWS = 200_000
MIXED = {"image": 0.5, "text": 0.3, "video": 0.2}


def run(data: Data) -> dict[str, Any]:
    """Each kind at batch 1 and 64; then one modality of a mixed collection."""
    kinds = {spec or "default": _kind(data, spec) for spec in SPECS}
    scan = kinds["float32"]["batch_1"]["ours_ms"]
    for row in kinds.values():
        row["times_faster_than_float32_scan"] = round(scan / row["batch_1"]["ours_ms"], 2)
        row["batch_64_share_of_batch_1"] = round(row["batch_64"]["ours_ms"] / row["batch_1"]["ours_ms"], 3)
    return {"kinds": kinds, "mixed": _mixed(data)}


def _kind(data: Data, spec: str | None) -> dict[str, Any]:
    index = data.stored(spec)
    found = index.search([NAME], data.queries, TOP)[NAME][1]
    raw = _raw(index)
    row: dict[str, Any] = {"spec": index.partition(NAME).spec, "recall": data.recall(found)}
    for batch in (1, BATCH):
        with faiss_settings(batch, data.rows.shape[1]):
            row[f"batch_{batch}"] = _against_raw(data, index, raw, batch)
    return row


def _against_raw(data: Data, index: PartitionedIndex, raw: Callable[[Any], Any], batch: int) -> dict[str, float]:
    times = in_turns(
        {
            "ours": lambda turn: index.search([NAME], _some(data, turn, batch), TOP),
            "raw": lambda turn: raw(_some(data, turn, batch)),
        },
        repeats=_repeats(index, data, batch),
    )
    return {
        "ours_ms": round(times["ours"] / batch, 4),
        "raw_faiss_ms": round(times["raw"] / batch, 4),
        "ratio": round(times["ours"] / times["raw"], 3),
    }


def _raw(index: PartitionedIndex) -> Callable[[Any], Any]:
    """The Faiss call below the product, on the same files, with the same effort, BLAS and threads."""
    state = index.partition(NAME).state
    base = state.base
    if base.kind is None:
        return lambda queries: base.rows.index.search(queries, TOP)
    refined = faiss.IndexRefine(base.kind.index, base.rows.index)
    effort = state.tuning.effort_for(TOP) if state.tuning else base.kind.effort
    parameters = base.kind.parameters(effort)
    return lambda queries: refined.search(queries, TOP, params=parameters)


def _repeats(index: PartitionedIndex, data: Data, batch: int) -> int:
    once = in_turns({"": lambda turn: index.search([NAME], _some(data, turn, batch), TOP)}, repeats=1, rounds=3)[""]
    return 1 if once > VERY_SLOW_MS else 3 if once > SLOW_MS else 100


def _some(data: Data, turn: int, batch: int) -> Any:
    start = turn * batch % (len(data.queries) - batch + 1)
    return data.queries[start : start + batch]


def _mixed(data: Data) -> dict[str, float]:
    """One partition of three in one index, against the same rows in an index of their own."""
    dim = data.rows.shape[1]
    rows = data.rows[:MIXED_ROWS]
    mixed = PartitionedIndex.create(data.folder / "mixed", dim=dim, fingerprint="speed")
    alone = PartitionedIndex.create(data.folder / "alone", dim=dim, fingerprint="speed")
    bounds = np.cumsum([0, *(int(share * len(rows)) for share in MIXED.values())])
    for name, start, end in zip(MIXED, bounds[:-1], bounds[1:], strict=True):
        mixed.add(name, np.arange(start, end), rows[start:end])
    alone.add(NAME, np.arange(bounds[1]), rows[: bounds[1]])
    for index in (mixed, alone):
        index.save(version=1)
    times = in_turns(
        {
            "mixed": lambda turn: mixed.search([NAME], _some(data, turn, 1), TOP),
            "alone": lambda turn: alone.search([NAME], _some(data, turn, 1), TOP),
        },
        repeats=20,
    )
    ratio = times["mixed"] / times["alone"]
    return {"mixed_ms": round(times["mixed"], 4), "alone_ms": round(times["alone"], 4), "ratio": round(ratio, 3)}
