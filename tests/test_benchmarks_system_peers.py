"""Our side of the comparison with peers, at toy size; the peers' own sides need their packages."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.exported import random_rows, write_export
from benchmarks.common.free_encoder import FreeEncoder
from benchmarks.system import peers
from unite_search.collection import Collection
from unite_search.errors import UniteSearchError

ITEMS, DIM = 300, 16


def test_imported_vectors_are_found_exactly(tmp_path: Path) -> None:
    rows, queries = random_rows(ITEMS, DIM), random_rows(ITEMS + 5, DIM)[ITEMS:]
    write_export(tmp_path / "export", rows, FreeEncoder(DIM))
    exact = [set(np.argsort(-(rows @ query))[:10].tolist()) for query in queries]
    found = peers._imported(tmp_path / "export", queries, exact)
    assert found["recall@10"] == 1
    assert peers._recall([[0, 1], [2, 3]], [{0, 1}, {3, 4}]) == 0.75


def test_indexing_twice_holds_every_file_once(media: Path, tmp_path: Path) -> None:
    seconds = peers._index(media, tmp_path)
    assert list(seconds) == ["wall_s", "cpu_s", "again_wall_s", "again_cpu_s"]
    assert min(seconds.values()) > 0, "a run that was not timed"
    with Collection.open(tmp_path / "indexed", encoder=FreeEncoder()) as collection:
        assert collection.count(where="true") == len(list(media.iterdir()))


def test_without_a_peer_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in peers.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UniteSearchError, match=r"set \$RCLIP_PYTHON or \$CLIP_RETRIEVAL_PYTHON"):
        peers.run(tmp_path)
    with pytest.raises(UniteSearchError, match=r"peer_rclip\.py ended with 1"):
        peers._peer(sys.executable, "peer_rclip.py")
