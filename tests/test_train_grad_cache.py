"""Gradients of a chunked batch against those of the whole batch, dropout on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from train.grad_cache import GradCache  # noqa: E402
from train.losses import LossOptions, info_nce, mamcl  # noqa: E402

BATCH = 12
TOLERANCE = 1e-6


def network(dropout: float) -> Any:
    torch.manual_seed(3)
    layers = torch.nn.Linear(7, 32), torch.nn.GELU(), torch.nn.Dropout(dropout), torch.nn.Linear(32, 16)
    return torch.nn.Sequential(*layers, Normalise())


class Normalise(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, rows: Any) -> Any:
        return torch.nn.functional.normalize(rows, dim=-1)


def batch() -> tuple[Any, Any, Any]:
    """Queries, candidates, target modalities."""
    generator = torch.Generator().manual_seed(5)
    queries, candidates = (torch.randn(BATCH, 7, generator=generator) for _ in range(2))
    return queries, candidates, torch.arange(BATCH) % 3


def losses(modalities: Any) -> dict[str, Any]:
    options = LossOptions(temperature=0.1, symmetric=True)
    return {
        "info_nce": partial(info_nce, options=options),
        "mamcl": partial(mamcl, modalities=modalities, options=options),
    }


def gradient(model: Any) -> Any:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("loss_name", ["info_nce", "mamcl"])
@pytest.mark.parametrize("chunk", [1, 4, 5, BATCH])
def test_chunks_give_the_gradient_of_the_whole_batch_with_dropout(loss_name: str, chunk: int) -> None:
    queries, candidates, modalities = batch()
    loss = losses(modalities)[loss_name]
    chunks = queries.split(chunk), candidates.split(chunk)
    whole, cached = network(0.3), network(0.3)
    torch.manual_seed(11)
    expected = loss(*(torch.cat([whole(part) for part in group]) for group in chunks))
    expected.backward()
    torch.manual_seed(11)
    value = GradCache(cached).backward(chunks, loss)
    assert value.item() == pytest.approx(expected.item(), rel=TOLERANCE)
    difference = gradient(cached) - gradient(whole)
    assert difference.norm() <= TOLERANCE * gradient(whole).norm()


def test_dropout_of_the_second_pass_would_matter() -> None:
    """Without the replay of random numbers the gradient is another one: the test above can fail."""
    queries, candidates, modalities = batch()
    one, other = network(0.3), network(0.3)
    for seed, model in enumerate((one, other)):
        torch.manual_seed(seed)
        GradCache(model).backward([[queries], [candidates]], losses(modalities)["info_nce"])
    assert (gradient(one) - gradient(other)).norm() > 0.01 * gradient(one).norm()


def test_random_numbers_go_on_as_after_one_pass() -> None:
    queries, candidates, modalities = batch()
    model = network(0.3)
    torch.manual_seed(1)
    model(queries), model(candidates)
    expected = torch.rand(1)
    torch.manual_seed(1)
    GradCache(model).backward([[queries], [candidates]], losses(modalities)["mamcl"])
    assert torch.rand(1) == expected


def test_gradients_add_up_over_batches() -> None:
    queries, candidates, modalities = batch()
    loss = losses(modalities)["mamcl"]
    once, twice = network(0), network(0)
    GradCache(once).backward([[queries], [candidates]], loss)
    for _ in range(2):
        GradCache(twice).backward([[queries], [candidates]], loss)
    torch.testing.assert_close(gradient(twice), 2 * gradient(once))


def test_only_one_chunk_has_a_graph_at_a_time() -> None:
    rows_with_graph = []

    def embed(rows: Any) -> Any:
        rows_with_graph.append(len(rows) if torch.is_grad_enabled() else 0)
        return model(rows)

    queries, candidates, modalities = batch()
    model = network(0)
    GradCache(embed).backward([queries.split(4), candidates.split(4)], losses(modalities)["mamcl"])
    assert rows_with_graph == [0] * 6 + [4] * 6
