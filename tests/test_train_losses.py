"""InfoNCE and MAMCL against the official code's numbers, against sums by hand, and against finite differences."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from train.losses import LossOptions, RowInfo, count_alone, info_nce, mamcl  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = {"f64": (1e-12, 1e-12), "f32": (1e-5, 2e-5)}
UNNORMALISED_MASKED_DUPLICATES = "idx_duplicates_masked_cross_modal_B6"


def golden_cases() -> dict[str, dict[str, Any]]:
    cases = json.loads((GOLDEN / "losses.json").read_text())
    return {name: case for name, case in cases.items() if "B" in case}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(safetensors.load_file(GOLDEN / "losses.safetensors"))


def official(case: dict[str, Any], queries: Any, candidates: Any, negatives: Any) -> Any:
    """The loss of the official code, put together from ours: its reverse direction is never masked."""
    one_way = LossOptions(temperature=case["temp"], positives="sum")
    groups = None if case["idx"] is None or negatives is not None else torch.tensor(case["idx"])
    rows = RowInfo(groups=groups, hard_negatives=negatives)
    if case["target_modal_codes"] is None:
        forward = info_nce(queries, candidates, one_way, rows)
    else:
        forward = mamcl(queries, candidates, torch.tensor(case["target_modal_codes"]), one_way, rows)
    if not case["dual_loss_effective"]:
        return forward
    return (forward + info_nce(candidates, queries, one_way, rows)) / 2


def test_every_golden_case_has_its_numbers(golden: dict[str, Any]) -> None:
    assert len(golden_cases()) >= 20
    assert {name for name in golden_cases() if f"{name}/f64/grad_q" not in golden} == set()


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("name", [name for name in golden_cases() if name != UNNORMALISED_MASKED_DUPLICATES])
def test_values_and_gradients_of_the_official_code(name: str, precision: str, golden: dict[str, Any]) -> None:
    case = golden_cases()[name]
    dtype = torch.float64 if precision == "f64" else torch.float32
    kinds = ("q", "c", "neg") if case["has_negative"] else ("q", "c")
    inputs = [golden[f"{name}/{kind}"].to(dtype, copy=True).detach().requires_grad_() for kind in kinds]
    loss = official(case, inputs[0], inputs[1], inputs[2] if case["has_negative"] else None)
    loss.backward()
    relative, absolute = TOLERANCE[precision]
    assert loss.item() == pytest.approx(case[f"loss_{precision}"], rel=relative, abs=relative)
    for kind, tensor in zip(kinds, inputs, strict=True):
        expected = golden[f"{name}/{precision}/grad_{kind}"]
        torch.testing.assert_close(tensor.grad, expected, rtol=0, atol=absolute)


def test_a_duplicate_of_another_modality_is_no_positive() -> None:
    """The official code adds 1e9 / temperature for one (the golden case that is left out above)."""
    queries, candidates, modalities = embeddings(6), embeddings(6, seed=1), torch.tensor([1, 2, 1, 2, 2, 1])
    options = LossOptions(positives="sum")
    across = mamcl(queries, candidates, modalities, options, RowInfo(groups=torch.tensor([0, 0, 1, 2, 3, 4])))
    assert across.item() == pytest.approx(mamcl(queries, candidates, modalities, options).item(), rel=1e-12)


def embeddings(count: int, seed: int = 0) -> Any:
    rows = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def by_hand(rows: list[list[float]]) -> float:
    """Mean of -log(e^first / sum of e^each) over rows that list the positive first."""
    losses = [math.log(sum(math.exp(score) for score in row)) - row[0] for row in rows]
    return sum(losses) / len(losses)


SCORES = [[2.0, 1.0, 0.0], [0.5, 1.5, 1.0], [-1.0, 0.0, 3.0]]
IDENTITY_OPTIONS: dict[str, Any] = {"temperature": 1.0}


def test_three_by_three_one_direction() -> None:
    """With the identity as candidates, queries are the scores."""
    loss = info_nce(torch.tensor(SCORES), torch.eye(3), LossOptions(**IDENTITY_OPTIONS))
    assert loss.item() == pytest.approx(by_hand([[2, 1, 0], [1.5, 0.5, 1], [3, -1, 0]]), abs=1e-6)


def test_three_by_three_symmetric() -> None:
    loss = info_nce(torch.tensor(SCORES), torch.eye(3), LossOptions(symmetric=True, **IDENTITY_OPTIONS))
    forward, reverse = by_hand([[2, 1, 0], [1.5, 0.5, 1], [3, -1, 0]]), by_hand([[2, 0.5, -1], [1.5, 1, 0], [3, 0, 1]])
    assert loss.item() == pytest.approx((forward + reverse) / 2, abs=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
def test_three_by_three_mask_matters_in_each_direction(symmetric: bool) -> None:
    """Rows 0 and 2 compete, row 1 is alone and counts as 0."""
    modalities = torch.tensor([1, 2, 1])
    options = LossOptions(symmetric=symmetric, **IDENTITY_OPTIONS)
    loss = mamcl(torch.tensor(SCORES), torch.eye(3), modalities, options)
    forward, reverse = by_hand([[2, 0], [1.5], [3, -1]]), by_hand([[2, -1], [1.5], [3, 0]])
    assert loss.item() == pytest.approx((forward + reverse) / 2 if symmetric else forward, abs=1e-6)
    assert forward != reverse


def test_temperature_divides_scores() -> None:
    queries = torch.tensor(SCORES)
    warm = info_nce(queries, torch.eye(3), LossOptions(temperature=0.5))
    assert warm.item() == pytest.approx(
        info_nce(2 * queries, torch.eye(3), LossOptions(temperature=1)).item(), rel=1e-6
    )


def test_two_positives_count_once_as_mean_and_twice_as_sum() -> None:
    groups = RowInfo(groups=torch.tensor([7, 7, 3]))
    queries = torch.zeros(3, 3)
    mean = info_nce(queries, torch.eye(3), LossOptions(**IDENTITY_OPTIONS), groups)
    total = info_nce(queries, torch.eye(3), LossOptions(positives="sum", **IDENTITY_OPTIONS), groups)
    assert mean.item() == pytest.approx(math.log(3), abs=1e-6)
    assert total.item() == pytest.approx(5 / 3 * math.log(3), abs=1e-6)


def test_a_hard_negative_competes_with_every_row_whatever_its_modality() -> None:
    negative = torch.zeros(1, 3)
    loss = mamcl(
        torch.tensor(SCORES),
        torch.eye(3),
        torch.tensor([1, 2, 1]),
        LossOptions(**IDENTITY_OPTIONS),
        RowInfo(hard_negatives=negative),
    )
    assert loss.item() == pytest.approx(by_hand([[2, 0, 0], [1.5, 0], [3, -1, 0]]), abs=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("positives", ["mean", "sum"])
def test_gradients_equal_finite_differences(symmetric: bool, positives: Any) -> None:
    options = LossOptions(temperature=0.3, symmetric=symmetric, positives=positives)
    modalities, groups = torch.tensor([1, 2, 1, 2, 1, 4]), torch.tensor([0, 1, 0, 2, 3, 3])

    def loss(queries: Any, candidates: Any, negatives: Any) -> Any:
        return mamcl(queries, candidates, modalities, options, RowInfo(groups=groups, hard_negatives=negatives))

    inputs = [embeddings(6, seed).requires_grad_() for seed in range(3)]
    assert torch.autograd.gradcheck(loss, inputs)


def test_a_row_that_is_alone_has_no_gradient_and_is_counted() -> None:
    queries, candidates = embeddings(4).requires_grad_(), embeddings(4, seed=1).requires_grad_()
    modalities = torch.tensor([1, 3, 1, 2])
    mamcl(queries, candidates, modalities, LossOptions()).backward()
    assert queries.grad.abs().sum(dim=1).gt(0).tolist() == [True, False, True, False]
    assert candidates.grad.abs().sum(dim=1).gt(0).tolist() == [True, False, True, False]
    assert count_alone(modalities) == 2


def test_one_modality_everywhere_is_plain_info_nce() -> None:
    queries, candidates = embeddings(8), embeddings(8, seed=1)
    masked = mamcl(queries, candidates, torch.full((8,), 2), LossOptions(symmetric=True))
    assert masked.item() == info_nce(queries, candidates, LossOptions(symmetric=True)).item()


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"temperature": float("nan")}, {"positives": "first"}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LossOptions(**options)
