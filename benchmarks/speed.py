"""The index against what it is made of and what people would use instead, on clustered data.

    python -m benchmarks speed                        100,000 x 384, two minutes
    python -m benchmarks.speed --rows 1000000         and others, see --help

Peers that are not installed are listed as such: `pip install hnswlib usearch lancedb` beside this package. Ratios are
taken within one run, of medians of five turns that alternate with what they are compared with.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustered import Clustered
from benchmarks.report import RESULTS, write_result
from indexers.partitioned import PartitionedIndex
from indexers.rows import best_of_blocks
from indexers.spec import IndexOptions

TOP = 10
QUERIES = 256
NAME = "image"


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What every part measures on.

    Attributes:
        rows: (N, D) float32 unit rows; their ids are their numbers.
        queries: (Q, D), drawn independently of the rows.
        truth: (Q, K) numbers of the exact best rows.
        folder: for files; what is in it may be shared between parts.
        build_s: CPU seconds that adding, training, tuning and writing took, by spec.
    """

    rows: NDArray[np.float32]
    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    folder: Path
    build_s: dict[str, float] = field(default_factory=dict)

    def recall(self, found: NDArray[np.int64]) -> float:
        """Share of the true best that is among the found (Q, K), for the first Q queries."""
        shared = [len(np.intersect1d(one, other)) for one, other in zip(found, self.truth[: len(found)], strict=True)]
        return round(float(np.mean(shared) / self.truth.shape[1]), 4)

    def stored(self, spec: str | None) -> PartitionedIndex:
        """The rows as one partition of a spec, opened from its file; made when first asked for."""
        folder = self.folder / (spec or "default").replace(",", "-")
        options = IndexOptions(spec=spec)
        if not folder.exists():
            index = PartitionedIndex.create(folder, dim=self.rows.shape[1], fingerprint="speed", options=options)
            start = process_time()
            index.add(NAME, np.arange(len(self.rows)), self.rows)
            index.save(version=1)
            self.build_s[spec or "default"] = process_time() - start
        return PartitionedIndex.open(folder, dim=self.rows.shape[1], fingerprint="speed", options=options)


def make_data(count: int, dim: int, folder: Path) -> Data:
    """Draw rows and queries, and find the exact answers."""
    source = Clustered(dim)
    rows, queries = source.draw(count, seed=1), source.draw(QUERIES, seed=2)
    blocks = (rows[start : start + 16_384] for start in range(0, count, 16_384))
    return Data(rows, queries, best_of_blocks(queries, TOP, blocks)[1], folder)


def run(count: int = 100_000, dim: int = 384, parts: list[str] | None = None) -> dict[str, Any]:
    """Run some parts, or all, each on the same data."""
    from benchmarks import speed_changes, speed_files, speed_filters, speed_peers, speed_search

    known: dict[str, Callable[[Data], dict[str, Any]]] = {
        "search": speed_search.run,
        "peers": speed_peers.run,
        "filters": speed_filters.run,
        "changes": speed_changes.run,
        "files": speed_files.run,
    }
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(count, dim, Path(folder))
        results: dict[str, Any] = {"rows": count, "dim": dim, "top": TOP}
        for name in parts or known:
            sys.stderr.write(f"{name}\n")
            results[name] = known[name](data)
            sys.stderr.write(json.dumps(results[name], indent=1) + "\n")
    return results


def main() -> None:
    """Parse the command line, measure, write `speed-ROWSxDIM.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--parts", nargs="*", help="search peers filters changes files; all unless given")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    given = parser.parse_args()
    results = run(given.rows, given.dim, given.parts)
    path = write_result(f"speed-{given.rows}x{given.dim}", results, given.out)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
