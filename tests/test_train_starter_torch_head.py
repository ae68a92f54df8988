"""The head in torch against the head in numpy, which are written apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.starter.torch_head import StarterHead  # noqa: E402
from train.starter.trainee import HEAD, load_head  # noqa: E402
from unite_search.encoders.starter.head import DIM, FEATURE_DIM, TEXT_DIM, Head, read_arrays  # noqa: E402


def random_head() -> StarterHead:
    torch.manual_seed(0)
    head = StarterHead(dropout=0.5)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    head.fit_scale(torch.rand(50, FEATURE_DIM))
    head.eval()
    return head


def inputs() -> tuple[np.ndarray, np.ndarray]:
    """Pictures alone, texts alone, both."""
    rng = np.random.default_rng(1)
    pictures = rng.random((6, FEATURE_DIM + TEXT_DIM), np.float32)
    texts = rng.normal(0, 0.05, (6, TEXT_DIM)).astype(np.float32)
    pictures[2:4] = 0
    texts[:2] = 0
    return pictures, texts


def test_numpy_computes_what_torch_computes(tmp_path: Path) -> None:
    head = random_head()
    np.savez(tmp_path / HEAD, **{name: value.numpy().astype(np.float16) for name, value in head.state_dict().items()})
    load_head(head, tmp_path / HEAD)
    pictures, texts = inputs()
    with torch.no_grad():
        expected = head(torch.from_numpy(pictures), torch.from_numpy(texts)).numpy()
    found = Head(read_arrays(tmp_path / HEAD))(pictures, texts)
    assert found.shape == (6, DIM)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch() -> None:
    head = random_head()
    pictures, texts = (torch.from_numpy(rows) for rows in inputs())
    with torch.no_grad():
        alone = torch.cat([head(picture[None], text[None]) for picture, text in zip(pictures, texts, strict=True)])
        torch.testing.assert_close(head(pictures, texts), alone, atol=1e-5, rtol=0)
