"""How the trained head is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unite_search.encoders.starter.head import DIM, WIDTH, Ensemble, Head, packed, read_arrays


def arrays(seed: int) -> dict[str, np.ndarray]:
    """The parameters of a random head."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "feature_mean": (1280,),
        "picture.weight": (WIDTH, 1664),
        "picture.bias": (WIDTH,),
        "text.weight": (WIDTH, 384),
        "text.bias": (WIDTH,),
        "attention_norm.weight": (WIDTH,),
        "attention_norm.bias": (WIDTH,),
        "attention.weight": (3 * WIDTH, WIDTH),
        "attention.bias": (3 * WIDTH,),
        "attended.weight": (WIDTH, WIDTH),
        "attended.bias": (WIDTH,),
        "hidden_norm.weight": (WIDTH,),
        "hidden_norm.bias": (WIDTH,),
        "hidden.weight": (2 * WIDTH, WIDTH),
        "hidden.bias": (2 * WIDTH,),
        "returned.weight": (WIDTH, 2 * WIDTH),
        "returned.bias": (WIDTH,),
        "out.weight": (DIM, WIDTH),
    }
    found = {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}
    return found | {"feature_spread": np.ones(1280, np.float32)}


def inputs() -> tuple[np.ndarray, np.ndarray]:
    """Pictures alone, texts alone, both."""
    rng = np.random.default_rng(9)
    pictures, texts = rng.random((9, 1664), np.float32), rng.normal(0, 0.05, (9, 384)).astype(np.float32)
    texts[:3], pictures[3:6] = 0, 0
    return pictures, texts


def test_packed_arrays_come_back_within_half_a_step_of_their_row(tmp_path: Path) -> None:
    rows = np.array([[1.0, -127.0, 0.5], [0.0, 0.0, 0.0], [1e-4, 2e-4, -3e-4]], np.float32)
    np.savez(tmp_path / "a.npz", **packed({"matrix": rows, "vector": rows[0]}))  # type: ignore[arg-type]
    found = read_arrays(tmp_path / "a.npz")
    steps = np.array([[1.0], [1.0], [3e-4 / 127]])
    assert (np.abs(found["matrix"] - rows) <= steps / 2 + 1e-9).all()
    np.testing.assert_array_equal(found["vector"], rows[0])
    assert sorted(found) == ["matrix", "vector"]


def test_a_packed_head_says_nearly_the_same(tmp_path: Path) -> None:
    head = arrays(0)
    np.savez(tmp_path / "a.npz", **packed(head))  # type: ignore[arg-type]
    expected, found = Head(head)(*inputs()), Head(read_arrays(tmp_path / "a.npz"))(*inputs())
    assert (expected * found).sum(axis=1).min() > 0.999
    assert (tmp_path / "a.npz").stat().st_size < 1.1 * sum(array.size for array in head.values())


def test_an_ensemble_projects_what_its_heads_say_side_by_side(tmp_path: Path) -> None:
    """With a projection that picks the second head's numbers, it is the second head."""
    heads = [arrays(1), arrays(2)]
    picked = np.concatenate([np.zeros((DIM, DIM), np.float32), np.eye(DIM, dtype=np.float32)])
    members = {f"{number}.{name}": array for number, head in enumerate(heads) for name, array in head.items()}
    np.savez(tmp_path / "head.npz", **packed({**members, "projection": picked}))  # type: ignore[arg-type]
    found = Ensemble(tmp_path / "head.npz")(*inputs())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * Head(heads[1])(*inputs())).sum(axis=1).min() > 0.999
    assert (found * Head(heads[0])(*inputs())).sum(axis=1).max() < 0.9


@pytest.mark.parametrize("pictures_only", [True, False])
def test_one_part_alone_gives_a_unit_row(pictures_only: bool) -> None:
    pictures, texts = inputs()
    row = Head(arrays(3))(pictures[:1], texts[:1]) if pictures_only else Head(arrays(3))(pictures[3:4], texts[3:4])
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
