"""Two and four real processes against one: losses, gradients of embeddings, gradients of parameters under DDP.

Hard negatives are few, and in some processes none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from gloo import in_processes, own_rows  # noqa: E402

from train.config import LossConfig  # noqa: E402
from train.data.pairs import Pair, Side  # noqa: E402
from train.distributed import gather_rows, process_count, process_rank, sum_gradients  # noqa: E402
from train.grad_cache import GradCache  # noqa: E402
from train.losses import LossOptions, RowInfo, info_nce, mamcl  # noqa: E402
from train.shared_batch import Chunk, SharedBatch  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
CODES = {"text": 1, "image": 2, "video": 4}
OPTIONS = LossOptions(temperature=0.1, symmetric=True)
ROWS_WITH_NEGATIVE = {"uneven": (0, 1, 2, 3, 4, 8), "one process": (0, 4), "everywhere": range(12), "nowhere": ()}
"""Row i belongs to process i modulo their number: 5 and 1, or 3, 1, 1, 1 are uneven."""


def golden_cases() -> dict[str, dict[str, Any]]:
    cases = json.loads((GOLDEN / "losses.json").read_text())
    return {name: case for name, case in cases.items() if "world_size" in case}


def golden_results(count: int) -> dict[str, Any]:
    """Loss and gradients of this process for every golden case of that many processes."""
    tensors = safetensors.load_file(GOLDEN / "losses.safetensors")
    return {
        name: golden_result(case, tensors[f"{name}/q"], tensors[f"{name}/c"])
        for name, case in golden_cases().items()
        if case["world_size"] == count
    }


def golden_result(case: dict[str, Any], queries: Any, candidates: Any) -> tuple[float, Any, Any]:
    local = [own_rows(rows).requires_grad_() for rows in (queries, candidates)]
    q, c = (gather_rows(rows) for rows in local)
    one_way = LossOptions(temperature=case["temp"], positives="sum")
    rows = RowInfo(groups=torch.tensor(case["idx"]) if case.get("idx") else None)
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


def pairs_with_negatives(rows: Iterable[int]) -> list[Pair]:
    """Twelve pairs, of which some rows have a hard negative; every third wants an image."""
    wanted = [{"images": (f"{row}.jpg",)} if row % 3 == 0 else {"text": f"answer {row}"} for row in range(12)]
    negatives = {row: Side(text=f"wrong {row}") for row in rows}
    return [
        Pair(query=Side(text=f"query {row}"), candidate=Side(**candidate), negative=negatives.get(row))
        for row, candidate in enumerate(wanted)
    ]


def inputs_of(sides: Sequence[Side]) -> Any:
    """(N, 7) numbers of a side's own."""
    seeds = [zlib.crc32(repr(side).encode()) for side in sides]
    return torch.stack([torch.randn(7, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def gradient_with_negatives(which: str, stage: int) -> tuple[float, Any, list[int]]:
    """Loss, summed gradient, and how many chunks of each kind this process embedded."""
    model = network()
    pairs = pairs_with_negatives(ROWS_WITH_NEGATIVE[which])[process_rank() :: process_count()]
    batch = SharedBatch(pairs, LossConfig(stage=stage, temperature=0.1))

    def embed(chunk: Chunk) -> Any:
        return model(inputs_of(chunk[1]))

    chunks = batch.chunks(2)
    loss = GradCache(embed).backward(chunks, batch.loss)
    sum_gradients(model.parameters())
    return loss.item(), gradient(model), [len(group) for group in chunks]


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
        "negatives": {
            (which, stage): gradient_with_negatives(which, stage) for which in ROWS_WITH_NEGATIVE for stage in (1, 2)
        },
    }


@pytest.fixture(scope="module", params=[2, 4])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of 2, then 4 processes found."""
    return in_processes(request.param, tmp_path_factory.mktemp("group"), everything, request.param)


@pytest.mark.slow
def test_golden_losses_and_gradients(results: list[dict[str, Any]]) -> None:
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
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("which", ROWS_WITH_NEGATIVE)
def test_hard_negatives_in_unequal_numbers_give_the_gradient_of_one_process(
    results: list[dict[str, Any]], which: str, stage: int
) -> None:
    expected, expected_gradient, _ = gradient_with_negatives(which, stage)
    found = [result["negatives"][which, stage] for result in results]
    for loss, summed, chunks in found:
        assert loss == pytest.approx(expected, rel=1e-6)
        assert (summed - expected_gradient).norm() <= 1e-6 * expected_gradient.norm()
        assert chunks == found[0][2], "processes are out of step"


@pytest.mark.parametrize("which", ROWS_WITH_NEGATIVE)
def test_every_query_competes_against_all_hard_negatives_and_no_filled_up_ones(which: str) -> None:
    pairs = pairs_with_negatives(ROWS_WITH_NEGATIVE[which])
    model = network()
    sides = [pair.negative for pair in pairs if pair.negative]
    negatives = model(inputs_of(sides)) if sides else torch.zeros(0, 16)
    queries, candidates = (model(inputs_of([getattr(pair, side) for pair in pairs])) for side in ("query", "candidate"))
    losses_of_rows = []
    for row, pair in enumerate(pairs):
        rivals = [other for other in range(12) if pairs[other].target_modality == pair.target_modality]
        scores = torch.cat([candidates[rivals], negatives]) @ queries[row] / 0.1
        losses_of_rows.append(scores.logsumexp(0) - candidates[row] @ queries[row] / 0.1)
    loss, _, _ = gradient_with_negatives(which, stage=2)
    assert loss == pytest.approx(torch.stack(losses_of_rows).mean().item(), rel=1e-5)


@pytest.mark.slow
def test_ragged_batches_are_refused_in_every_process(results: list[dict[str, Any]]) -> None:
    sizes = list(range(2, 2 + len(results)))
    expected = f"processes have {sizes} rows; expected the same number in each"
    assert [result["ragged"] for result in results] == [expected] * len(results)


def test_one_process_gathers_its_own_rows() -> None:
    rows = torch.ones(2, 3, requires_grad=True)
    assert gather_rows(rows) is rows
