"""An index on GPUs answers like on the CPU: with stand-ins everywhere, and with GPUs where there are some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from indexers.engine import faiss
from indexers.faiss_index import FaissIndex
from indexers.gpu import GpuIndex, GpuOptions, gpu_count, place

DIM = 32
COUNT = 700


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32))


@pytest.fixture
def index() -> FaissIndex:
    index = FaissIndex(DIM)
    index.add(np.arange(COUNT) * 7, unit(COUNT, 0))
    index.remove(np.arange(50) * 7)
    return index


def stand_in(dim: int, device: int) -> Any:
    return faiss.IndexFlatIP(dim)


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def make(request: pytest.FixtureRequest) -> Callable[[int, int], Any] | None:
    if request.param == "stand-in":
        return stand_in
    if not gpu_count():
        pytest.skip("Faiss sees no GPU")
    return None


@pytest.mark.parametrize("placement", ["shard", "replicate"])
@pytest.mark.parametrize("k", [1, 10, 649, 2048, 3000])
def test_gpus_answer_like_the_cpu(
    index: FaissIndex, make: Callable[[int, int], Any] | None, placement: Any, k: int
) -> None:
    devices = (0, 1) if make else tuple(range(gpu_count()))
    options = GpuOptions(devices=devices, placement=placement, temporary_bytes=3 * 8 << 16)
    placed = place(index, options, make)
    assert isinstance(placed, GpuIndex)
    queries = unit(11, 1)
    for allowed in (None, np.arange(100, 300) * 7):
        scores, ids = placed.search(queries, k, allowed=allowed)
        expected_scores, expected_ids = index.search(queries, k, allowed=allowed)
        assert np.array_equal(ids >= 0, expected_ids >= 0)
        assert np.allclose(scores, expected_scores, atol=1e-3)
        assert (ids == expected_ids).mean() > 0.99


def test_without_a_gpu_one_line_warns_and_the_cpu_answers(index: FaissIndex) -> None:
    with pytest.warns(RuntimeWarning, match=r"searching on the CPU: GPUs \[99\] were asked for") as warned:
        placed = place(index, GpuOptions(devices=(99,)))
    assert placed is index
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)


def test_more_rows_than_the_budget_stay_on_the_cpu(index: FaissIndex) -> None:
    needed = 650 * DIM * 2
    with pytest.warns(RuntimeWarning, match=f"{needed} bytes a GPU are needed"):
        assert place(index, GpuOptions(devices=(0,), memory_bytes=needed - 1), stand_in) is index
    assert isinstance(place(index, GpuOptions(devices=(0, 1), memory_bytes=needed - 1), stand_in), GpuIndex)
