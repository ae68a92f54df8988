"""The file of features on disk, which several runs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from train.starter.features import FeatureTable


def ones(keys: Sequence[str]) -> list[Any]:
    return [np.ones(3, np.float32) for _ in keys]


def test_a_process_that_saves_while_another_does_harms_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second table is saved, from beginning to end, while the first is being written."""
    path = tmp_path / "pictures.npz"
    first, second = FeatureTable(path, 3), FeatureTable(path, 3)
    write = np.savez

    def write_meanwhile(stream: Any, **arrays: Any) -> None:
        monkeypatch.setattr(np, "savez", write)
        second.fill(["b"], ones)
        write(stream, **arrays)

    monkeypatch.setattr(np, "savez", write_meanwhile)
    first.fill(["a"], ones)
    assert "a" in FeatureTable(path, 3)
    assert list(tmp_path.iterdir()) == [path]
