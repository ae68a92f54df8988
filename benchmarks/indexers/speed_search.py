"""Time of searches through `PartitionedIndex` compared with the fastest plain Faiss call, for each kind of index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common.timing import Call, Cost, faiss_settings, in_turns
from benchmarks.indexers.speed import FINGERPRINT, LARGE_ROWS, NAME, TOP, Data, at_least, at_most
from indexers.engine import faiss
from indexers.partitioned import PartitionedIndex
from indexers.spec import EXACT, FLOAT32, INT8, choose

BATCHES = (1, 64)
MIXED_ROWS = 200_000
MIXED = {"image": 0.5, "text": 0.3, "video": 0.2}


def run(data: Data) -> dict[str, Any]:
    """Measure each kind with batches of 1 and 64, then one partition of an index with several."""
    kinds = {spec: _kind(data, spec) for spec in data.specs}
    scan = kinds[FLOAT32]["batch_1"]["raw_faiss_ms"]
    for row in kinds.values():
        row["times_faster_than_float32_scan"] = round(scan / row["batch_1"]["ours_ms"], 2)
        row["batch_64_share_of_batch_1"] = round(row["batch_64"]["ours_ms"] / row["batch_1"]["ours_ms"], 3)
    mixed = _mixed(data)
    return {"checks": _checks(data, kinds, mixed), "default": data.default, "kinds": kinds, "mixed": mixed}


def _checks(data: Data, kinds: Mapping[str, Any], mixed: Mapping[str, float]) -> dict[str, Any]:
    checks = {
        f"{spec}, batch {batch}: time by that of raw Faiss": at_most(1.10, row[f"batch_{batch}"]["ratio"])
        for spec, row in kinds.items()
        for batch in BATCHES
    }
    for spec in (*EXACT, INT8):
        checks[f"{spec}: a query in a batch of 64 by one alone"] = at_most(
            0.2, kinds[spec]["batch_64_share_of_batch_1"]
        )
    checks["int8: time by that of the float32 scan"] = at_most(0.45, 1 / kinds[INT8]["times_faster_than_float32_scan"])
    checks["int8: recall@10"] = at_least(0.99, kinds[INT8]["recall"])
    checks["one modality of a mixed collection: time by that of an index of its own"] = at_most(1.15, mixed["ratio"])
    if len(data.rows) >= LARGE_ROWS:
        default = kinds[data.default]
        checks["default: recall@10"] = at_least(0.99, default["recall"])
        checks["default: times faster than the float32 scan"] = at_least(80, default["times_faster_than_float32_scan"])
    return checks


def _kind(data: Data, spec: str) -> dict[str, Any]:
    index = data.stored(spec)
    found = index.search([NAME], data.queries, TOP)[NAME][1]
    alone = np.vstack([index.search([NAME], query[None], TOP)[NAME][1] for query in data.queries])
    row: dict[str, Any] = {"recall": min(data.recall(found), data.recall(alone))}
    for batch in BATCHES:
        row[f"batch_{batch}"] = _against_raw(data, index, batch)
    return row


def _against_raw(data: Data, index: PartitionedIndex, batch: int) -> dict[str, Any]:
    """Return milliseconds per query of ours and of the fastest way to get the same from Faiss."""
    raw = _raw(index)
    calls: dict[str, Call] = {"ours": lambda turn: index.search([NAME], _some(data, turn, batch), TOP)}
    for name, settings in _settings(batch, data.rows.shape[1]).items():
        calls[name] = _within(settings, lambda turn: raw(_some(data, turn, batch)))
    costs = in_turns(calls)
    ours = costs.pop("ours")
    best = min(costs, key=lambda name: costs[name].wall_ms)
    return {
        "ours_ms": _each(ours, batch)["wall_ms"],
        "ours_cpu_ms": _each(ours, batch)["cpu_ms"],
        "raw_faiss_ms": _each(costs[best], batch)["wall_ms"],
        "raw_faiss_cpu_ms": _each(costs[best], batch)["cpu_ms"],
        "raw_faiss_setting": best,
        "ratio": round(ours.wall_ms / costs[best].wall_ms, 3),
    }


def _each(whole: Cost, batch: int) -> dict[str, float]:
    return {"wall_ms": round(whole.wall_ms / batch, 4), "cpu_ms": round(whole.cpu_ms / batch, 4)}


def _settings(batch: int, dim: int) -> dict[str, Callable[[], Any]]:
    """Return the settings of Faiss to try: one thread for one query; all threads or one, with BLAS, for a batch."""
    if batch == 1:
        return {"one thread": lambda: faiss_settings(threads=1, has_blas=True, dim=dim)}
    return {
        "all threads, BLAS": lambda: faiss_settings(threads=faiss.omp_get_max_threads(), has_blas=True, dim=dim),
        "one thread, BLAS": lambda: faiss_settings(threads=1, has_blas=True, dim=dim),
    }


def _within(settings: Callable[[], Any], call: Call) -> Call:
    def wrapped(turn: int) -> object:
        with settings():
            return call(turn)

    return wrapped


def _raw(index: PartitionedIndex) -> Callable[[Any], Any]:
    """Return the Faiss call that our search makes, on the same files, with the same search parameter."""
    state = index.partition(NAME)._state
    base = state.base
    if base.approximate is None:
        return lambda queries: base.rows.index.search(queries, TOP)
    refined = faiss.IndexRefine(base.approximate.index, base.rows.index)
    parameter = state.tuning.parameter_for(TOP) if state.tuning else base.approximate.default_parameter
    parameters = base.approximate.faiss_parameters(parameter)
    return lambda queries: refined.search(queries, TOP, params=parameters)


def _some(data: Data, turn: int, batch: int) -> Any:
    start = turn * batch % (len(data.queries) - batch + 1)
    return data.queries[start : start + batch]


def _mixed(data: Data) -> dict[str, Any]:
    """Compare one partition of three in one index with the same rows in an index of their own."""
    rows = data.rows[:MIXED_ROWS]
    bounds = np.cumsum([0, *(int(share * len(rows)) for share in MIXED.values())])
    with TemporaryDirectory() as folder:
        mixed, alone = (
            PartitionedIndex.create(Path(folder) / name, dim=rows.shape[1], fingerprint=FINGERPRINT)
            for name in ("mixed", "alone")
        )
        for name, start, end in zip(MIXED, bounds[:-1], bounds[1:], strict=True):
            mixed.add(name, np.arange(start, end), rows[start:end])
        alone.add(NAME, np.arange(bounds[1]), rows[: bounds[1]])
        for index in (mixed, alone):
            index.save(version=1)
        costs = in_turns(
            {
                "mixed": lambda turn: mixed.search([NAME], _some(data, turn, 1), TOP),
                "alone": lambda turn: alone.search([NAME], _some(data, turn, 1), TOP),
            }
        )
    return {
        "partitions": {name: int(share * len(rows)) for name, share in MIXED.items()},
        "spec": choose(int(bounds[1]), rows.shape[1]),
        "mixed_ms": round(costs["mixed"].wall_ms, 4),
        "alone_ms": round(costs["alone"].wall_ms, 4),
        "ratio": round(costs["mixed"].wall_ms / costs["alone"].wall_ms, 3),
    }
