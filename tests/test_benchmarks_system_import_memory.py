"""The memory of `import`, at the size where one partition is no longer exact, and its benchmark at toy size."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.system import import_memory

MIB = 2**20


def test_every_size_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_memory, "SIZES", (("float16", 300, 16),))
    large = np.ones(2**27)  # What this process holds must not count.
    (found,) = import_memory.run().values()
    assert large.nbytes == 2**30
    assert (found["items"], found["problems"]) == (300, [])
    assert 50 < found["peak_mib"] < 600
    assert found["collection_mib"] >= 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")
def test_the_memory_of_an_import_does_not_follow_its_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (30_000, 90_000):
        import_memory.write_shard(tmp_path / f"{rows}", "float32", rows, 768)
        items, peak_bytes = import_memory.import_shard(tmp_path / f"{rows}", tmp_path / f"{rows}.db")
        assert items == rows
        peaks.append(peak_bytes / MIB)
    added_mib = 60_000 * 768 * 4 / MIB
    assert peaks[1] - peaks[0] < added_mib, "the rows are in memory as float32"
