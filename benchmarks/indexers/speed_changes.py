"""Time of 10,000 upserts and 10,000 deletes compared with a rebuild, and recall after many changes without one.

Both use a copy of the stored index with inverted lists, the kind that suffers most from changes. The copy consists of
hard links, because no file of an index is ever written twice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common.clustered import Clustered
from benchmarks.common.timing import cost, in_turns
from benchmarks.indexers.speed import NAME, TOP, Data, at_least, at_most, exact, recall
from indexers.partitioned import PartitionedIndex

CHANGES = 10_000
CHURN = 0.3
CHURN_STEPS = 10
CHECKED = 100


def run(data: Data) -> dict[str, Any]:
    """Measure a few changes, then many."""
    changes, churn = _changes(data), _churn(data)
    return {
        "checks": {
            "changes until they are found: time by that of a rebuild": at_most(0.05, changes["share_of_rebuild"]),
            "changed rows found at once": at_least(1, changes["found_at_once"]),
            "deleted rows found": at_most(0, changes["deleted_found"]),
            "recall@10 after 30 % churn": at_least(0.98, churn["recall"]),
        },
        "spec": data.cells,
        "changes": changes,
        "churn": churn,
    }


def _changes(data: Data) -> dict[str, Any]:
    count = min(CHANGES, len(data.rows) // 10)
    replacements = Clustered(data.rows.shape[1]).draw(count, seed=3)
    removed = np.arange(count, 2 * count)
    with _copy(data) as index:
        before = in_turns({"": lambda turn: index.search([NAME], data.queries[turn % len(data.queries)][None], TOP)})
        upsert = cost(lambda: index.upsert(NAME, np.arange(count), replacements))
        delete = cost(lambda: index.remove(removed))
        first = cost(lambda: index.search([NAME], replacements[:1], TOP))
        found = np.vstack([index.search([NAME], row[None], 1)[NAME][1] for row in replacements[:CHECKED]])
        found_deleted = np.isin(index.search([NAME], data.rows[removed[:CHECKED]], TOP)[NAME][1], removed)
        after = in_turns({"": lambda turn: index.search([NAME], data.queries[turn % len(data.queries)][None], TOP)})
        save = cost(lambda: index.save(version=2))
    rebuild = data.build_cost(data.cells)
    total = upsert.wall_ms + delete.wall_ms + first.wall_ms
    return {
        "upserts": count,
        "deletes": count,
        "upsert_s": upsert.wall_s,
        "delete_s": delete.wall_s,
        "first_search_s": first.wall_s,
        "save_s": save.wall_s,
        "rebuild_s": rebuild.wall_s,
        "share_of_rebuild": round(total / rebuild.wall_ms, 4),
        "share_of_rebuild_with_save": round((total + save.wall_ms) / rebuild.wall_ms, 4),
        "found_at_once": float((found[:, 0] == np.arange(CHECKED)).mean()),
        "deleted_found": int(found_deleted.sum()),
        "search_before_ms": round(before[""].wall_ms, 4),
        "search_after_ms": round(after[""].wall_ms, 4),
    }


def _churn(data: Data) -> dict[str, Any]:
    """Replace 30 % of the rows in ten steps, save after each, and measure recall again."""
    rows = data.rows.copy()
    source, step = Clustered(rows.shape[1]), int(CHURN * len(rows) / CHURN_STEPS)
    with _copy(data) as index:
        training = _training(index)
        for number in range(CHURN_STEPS):
            ids = np.arange(number * step, (number + 1) * step)
            rows[ids] = source.draw(step, seed=100 + number)
            index.upsert(NAME, ids, rows[ids])
            index.save(version=3 + number)
        found = index.search([NAME], data.queries, TOP)[NAME][1]
        return {
            "share": CHURN,
            "recall_before": data.recall(data.stored(data.cells).search([NAME], data.queries, TOP)[NAME][1]),
            "recall": recall(found, exact(data.queries, rows)),
            "was_trained_again": _training(index) != training,
        }


def _training(index: PartitionedIndex) -> bytes | None:
    approximate = index.partition(NAME)._state.base.approximate
    return None if approximate is None else approximate.trained


@contextmanager
def _copy(data: Data) -> Iterator[PartitionedIndex]:
    data.stored(data.cells)
    with TemporaryDirectory(dir=data.folder) as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(data.place(data.cells), copy, copy_function=os.link)
        yield data.opened(data.cells, copy)
