"""Compare the indexes with plain Faiss, which they are built on, and with other libraries, on clustered data.

    python -m benchmarks speed                                        every part at 100,000 x 384
    python -m benchmarks speed search --rows 1000000 --cache DIR      one part; DIR keeps rows and indexes for the next

Each part is stored as soon as it is measured, next to the results of other sizes in `speed-PART.json`. Each check is
stored with its limit. Libraries that are not installed are listed as such; `pip install hnswlib usearch lancedb` adds
them. Ratios compare medians of five turns within one run, in which both sides take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import indexers
from benchmarks.common.clustered import Clustered
from benchmarks.common.results import RESULTS, merge_result
from benchmarks.common.timing import Cost, cost
from indexers.blocks import top_k_of_blocks
from indexers.partitioned import PartitionedIndex
from indexers.spec import EXACT, INT8, IndexConfig, cells_for, choose

PARTS = ("search", "build", "files", "changes", "filters", "peers")
TOP = 10
QUERIES = 256
BLOCK_ROWS = 16_384
LARGE_ROWS = 1_000_000
"""From this many rows on, there are limits for the speed and memory of the default kind and for opening files."""
NAME = "image"
FINGERPRINT = "speed"


@dataclass(frozen=True, eq=False)
class Data:
    """The rows and queries that every part uses.

    Attributes:
        rows: (N, D) float32 unit rows; the id of a row is its number.
        queries: (Q, D), drawn independently of the rows.
        truth: (Q, K) numbers of the exact best rows.
        folder: folder for files, which the parts share.
    """

    rows: NDArray[np.float32]
    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    folder: Path

    @cached_property
    def default(self) -> str:
        """The spec that the rule chooses."""
        return choose(*self.rows.shape)

    @cached_property
    def cells(self) -> str:
        """The spec with inverted lists, whatever the number of rows."""
        return f"IVF{cells_for(len(self.rows))},{INT8}"

    @property
    def specs(self) -> tuple[str, ...]:
        """The specs to compare."""
        return (*EXACT, INT8, self.cells)

    def recall(self, found: NDArray[np.int64]) -> float:
        """Return the recall of (Q, K) results of the first Q queries."""
        return recall(found, self.truth[: len(found)])

    def place(self, spec: str) -> Path:
        """Return the folder of the stored index of a spec, named after the version of the code that built it."""
        return self.folder / _code_version() / spec.replace(",", "-")

    def stored(self, spec: str) -> PartitionedIndex:
        """Open the rows as one stored partition of a spec; build it on the first call."""
        if not _build_report(self.place(spec)).exists():
            self.build(spec, self.place(spec))
        return self.opened(spec, self.place(spec))

    def opened(self, spec: str, folder: Path) -> PartitionedIndex:
        """Open an index that was stored in a folder."""
        dim = self.rows.shape[1]
        return PartitionedIndex.open(folder, dim=dim, fingerprint=FINGERPRINT, config=self._config(spec))

    def build(self, spec: str, folder: Path) -> Cost:
        """Add, train, tune and write the rows as one partition; store the cost in a file next to the folder."""
        index = PartitionedIndex.create(
            folder, dim=self.rows.shape[1], fingerprint=FINGERPRINT, config=self._config(spec)
        )

        def build() -> None:
            index.add(NAME, np.arange(len(self.rows)), self.rows)
            index.save(version=1)

        spent = cost(build)
        _build_report(folder).write_text(json.dumps(asdict(spent)), encoding="utf-8")
        return spent

    def build_cost(self, spec: str) -> Cost:
        """Return the cost of building the stored index."""
        self.stored(spec)
        return Cost(**json.loads(_build_report(self.place(spec)).read_text(encoding="utf-8")))

    def _config(self, spec: str) -> IndexConfig:
        return IndexConfig(spec=None if spec == self.default else spec)


def make_data(count: int, dim: int, folder: Path) -> Data:
    """Draw rows and queries and find the exact results, or read those that a folder already holds."""
    folder = folder / f"{count}x{dim}"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "data.npz"
    if not kept.exists():
        source = Clustered(dim)
        rows, queries = source.draw(count, seed=1), source.draw(QUERIES, seed=2)
        np.savez(kept, rows=rows, queries=queries, truth=exact(queries, rows))
    with np.load(kept) as arrays:
        return Data(arrays["rows"], arrays["queries"], arrays["truth"], folder)


def exact(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the (Q, K) numbers of the exact best rows."""
    blocks = (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
    return top_k_of_blocks(queries, TOP, blocks)[1]


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the share of the true results in (Q, K) lists that was found."""
    shared = [len(np.intersect1d(one, other)) for one, other in zip(found, truth, strict=True)]
    return round(float(np.mean(shared) / truth.shape[1]), 4)


def at_most(limit: float, reached: float) -> dict[str, Any]:
    """Return a measured number with its upper limit."""
    return {"asked": f"<= {limit}", "reached": round(reached, 4), "holds": round(reached, 4) <= limit}


def at_least(limit: float, reached: float) -> dict[str, Any]:
    """Return a measured number with its lower limit."""
    return {"asked": f">= {limit}", "reached": round(reached, 4), "holds": round(reached, 4) >= limit}


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, and write a file for each part."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' '.join(PARTS)}; default: all")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--cache", type=Path, help="folder that keeps rows and indexes; default: a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    given = parser.parse_args(arguments)
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        data = make_data(given.rows, given.dim, given.cache or Path(temporary))
        for part in given.parts or PARTS:
            results = import_module(f"benchmarks.indexers.speed_{part}").run(data)
            path = merge_result(f"speed-{part}", f"{given.rows}x{given.dim}", results, given.out)
            sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


def _build_report(folder: Path) -> Path:
    return folder.with_suffix(".build.json")


def _code_version() -> str:
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(Path(indexers.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"indexes-{digest.hexdigest()}"
