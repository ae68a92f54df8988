"""Live changes: 10,000 upserts and 10,000 deletes against a rebuild, and recall after churn without one."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.clustered import Clustered
from benchmarks.speed import NAME, TOP, Data
from benchmarks.timing import seconds
from indexers.engine import faiss
from indexers.kinds import TRAIN_ITERATIONS, TRAIN_ROWS_PER_CELL
from indexers.rows import best_of_blocks
from indexers.spec import cells_of

CHANGES = 10_000
CHURN = 0.3


def run(data: Data) -> dict[str, Any]:
    """Build, change, churn: all on the kind that the rule chooses."""
    build = _build(data)
    index = data.stored(None)
    count = min(CHANGES, len(data.rows) // 10)
    fresh = Clustered(data.rows.shape[1]).draw(count, seed=3)
    upsert_s = seconds(lambda: index.upsert(NAME, np.arange(count), fresh))
    delete_s = seconds(lambda: index.remove(np.arange(count, 2 * count)))
    first_s = seconds(lambda: index.search([NAME], fresh[:1], TOP))
    at_once = index.search([NAME], fresh[:100], 1)[NAME][1][:, 0]
    save_s = seconds(lambda: index.save(version=2))
    total = upsert_s + delete_s + first_s
    return {
        "build": build,
        "changes": {
            "upserts": count,
            "deletes": count,
            "upsert_s": round(upsert_s, 3),
            "delete_s": round(delete_s, 3),
            "first_search_s": round(first_s, 4),
            "save_s": round(save_s, 3),
            "found_at_once": float((at_once == np.arange(100)).mean()),
            "share_of_rebuild": round(total / build["ours_s"], 4),
            "share_of_rebuild_with_save": round((total + save_s) / build["ours_s"], 4),
        },
        "churn": _churn(data),
    }


def _build(data: Data) -> dict[str, Any]:
    """The product's build, tuned and written, against Faiss training on as many rows and adding all to such cells."""
    dim = data.rows.shape[1]
    spec = data.stored(None).partition(NAME).spec
    row: dict[str, Any] = {"spec": spec, "ours_s": round(data.build_s["default"], 4)}
    cells = cells_of(spec)
    if cells:
        theirs = faiss.index_factory(dim, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        theirs.cp.niter = TRAIN_ITERATIONS
        sample = data.rows[:: max(1, len(data.rows) // (TRAIN_ROWS_PER_CELL * cells))]
        row["faiss_s"] = round(seconds(lambda: theirs.train(sample)) + seconds(lambda: theirs.add(data.rows)), 2)
        row["ratio"] = round(row["ours_s"] / row["faiss_s"], 3)
    return row


def _churn(data: Data) -> dict[str, float]:
    """Replace 30 % of the rows in ten steps, each stored, and ask again."""
    index = data.stored(None)
    spec = index.partition(NAME).spec
    rows = data.rows.copy()
    source, step = Clustered(data.rows.shape[1]), int(CHURN * len(rows) / 10)
    for number in range(10):
        ids = np.arange(number * step, (number + 1) * step)
        rows[ids] = source.draw(step, seed=100 + number)
        index.upsert(NAME, ids, rows[ids])
        index.save(version=3 + number)
    blocks = (rows[start : start + 16_384] for start in range(0, len(rows), 16_384))
    truth = best_of_blocks(data.queries, TOP, blocks)[1]
    found = index.search([NAME], data.queries, TOP)[NAME][1]
    shared = [len(np.intersect1d(one, other)) for one, other in zip(found, truth, strict=True)]
    return {
        "share": CHURN,
        "recall": round(float(np.mean(shared)) / TOP, 4),
        "same_spec": index.partition(NAME).spec == spec,
    }
