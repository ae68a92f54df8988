"""Two and four real processes against one: losses, gradients of embeddings, gradients of parameters under DDP."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from gloo import in_processes, own_rows  # noqa: E402

from train.distributed import gather_rows, process_count, process_rank, sum_gradients  # noqa: E402
from train.grad_cache import GradCache  # noqa: E402
from train.losses import LossOptions, Rows, info_nce, mamcl  # noqa: E402

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "parity" / "golden"
CODES = {"text": 1, "image": 2, "video": 4}
OPTIONS = LossOptions(temperature=0.1, symmetric=True)


def golden_cases() -> dict[str, dict[str, Any]]:
    path = GOLDEN / "losses.json"
    cases = json.loads(path.read_text()) if path.is_file() else {}
    return {name: case for name, case in cases.items() if "world_size" in case}


def golden_results(count: int) -> dict[str, Any]:
    """Loss and gradients of this process for every golden case of that many processes."""
    tensors = safetensors.load_file(GOLDEN / "losses.safetensors") if golden_cases() else {}
    return {
        name: golden_result(case, tensors[f"{name}/q"], tensors[f"{name}/c"])
        for name, case in golden_cases().items()
        if case["world_size"] == count
    }


def golden_result(case: dict[str, Any], queries: Any, candidates: Any) -> tuple[float, Any, Any]:
    local = [own_rows(rows).requires_grad_() for rows in (queries, candidates)]
    q, c = (gather_rows(rows) for rows in local)
    one_way = LossOptions(temperature=case["temp"], positives="sum")
    rows = Rows(groups=torch.tensor(case["idx"]) if case.get("idx") else None)
    names = case.get("target_modal")
    loss = (
        mamcl(q, c, torch.tensor([CODES[name] for name in names]), one_way) if names else info_nce(q, c, one_way, rows)
    )
    if case["dual_loss_effective"]:
        loss = (loss + info_nce(c, q, one_way, rows)) / 2
    loss.backward()
    return loss.item(), local[0].grad, local[1].grad


def batch() -> tuple[Any, Any, Any]:
    """Queries, candidates, target modalities."""
    generator = torch.Generator().manual_seed(5)
    queries, candidates = (torch.randn(12, 7, generator=generator) for _ in range(2))
    return queries, candidates, torch.arange(12) % 3


def network() -> Any:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(7, 32), torch.nn.GELU(), torch.nn.Linear(32, 16))


def losses() -> dict[str, Any]:
    return {
        "info_nce": partial(info_nce, options=OPTIONS),
        "mamcl": partial(mamcl, modalities=batch()[2], options=OPTIONS),
    }


def gradient(model: Any) -> Any:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def ddp_gradient(loss_name: str) -> Any:
    queries, candidates, _ = batch()
    model = torch.nn.parallel.DistributedDataParallel(network())
    everywhere = losses()[loss_name]

    def loss(*parts: Any) -> Any:
        return process_count() * everywhere(*(gather_rows(part) for part in parts))

    GradCache(model, model.no_sync).backward([own_rows(rows).split(2) for rows in (queries, candidates)], loss)
    return gradient(model)


def summed_gradient(loss_name: str) -> Any:
    queries, candidates, _ = batch()
    model = network()
    everywhere = losses()[loss_name]
    chunks = [own_rows(rows).split(2) for rows in (queries, candidates)]
    GradCache(model).backward(chunks, lambda *parts: everywhere(*(gather_rows(part) for part in parts)))
    sum_gradients(model.parameters())
    return gradient(model)


def ragged_error() -> str:
    try:
        gather_rows(torch.zeros(2 + process_rank(), 3))
    except ValueError as error:
        return str(error)
    return ""


def everything(count: int) -> dict[str, Any]:
    """All that a process does in these tests; starting processes takes longer than their work."""
    return {
        "golden": golden_results(count),
        "ddp": {name: ddp_gradient(name) for name in losses()},
        "summed": {name: summed_gradient(name) for name in losses()},
        "ragged": ragged_error(),
    }


@pytest.fixture(scope="module", params=[2, 4])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of 2, then 4 processes found."""
    return in_processes(request.param, tmp_path_factory.mktemp("group"), everything, request.param)


@pytest.mark.slow
def test_golden_losses_and_gradients(results: list[dict[str, Any]]) -> None:
    if not GOLDEN.is_dir():
        pytest.skip(f"needs {GOLDEN}")
    tensors = safetensors.load_file(GOLDEN / "losses.safetensors")
    assert results[0]["golden"]
    for name in results[0]["golden"]:
        found = [result["golden"][name] for result in results]
        assert [loss for loss, _, _ in found] == pytest.approx(golden_cases()[name]["losses"], rel=1e-12)
        for position, kind in ((1, "q"), (2, "c")):
            whole = torch.cat([gradients[position] for gradients in found])
            torch.testing.assert_close(whole, tensors[f"{name}/single_process_grad_{kind}"], rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "summed"])
@pytest.mark.parametrize("loss_name", ["info_nce", "mamcl"])
def test_chunks_in_processes_give_the_gradient_of_one(results: list[dict[str, Any]], loss_name: str, way: str) -> None:
    queries, candidates, _ = batch()
    alone = network()
    losses()[loss_name](alone(queries), alone(candidates)).backward()
    for result in results:
        assert (result[way][loss_name] - gradient(alone)).norm() <= 1e-6 * gradient(alone).norm()


@pytest.mark.slow
def test_ragged_batches_are_refused_in_every_process(results: list[dict[str, Any]]) -> None:
    sizes = list(range(2, 2 + len(results)))
    expected = f"processes have {sizes} rows; expected the same number in each"
    assert [result["ragged"] for result in results] == [expected] * len(results)


def test_one_process_gathers_its_own_rows() -> None:
    rows = torch.ones(2, 3, requires_grad=True)
    assert gather_rows(rows) is rows
