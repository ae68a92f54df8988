"""The picture of embeddings: its projection against eigenvectors, its panels against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.plane import COLOURS, HEAD, MARGIN, PAPER, SIDE, draw_plane, project
from unite_search.modality import Modality

MODALITIES = [Modality.TEXT] * 20 + [Modality.IMAGE] * 20 + [Modality.TEXT | Modality.VIDEO] * 20


def embeddings(seed: int) -> np.ndarray:
    """Noise, a different spread in each direction."""
    rows = np.random.default_rng(seed).normal(size=(len(MODALITIES), 9))
    return (rows * np.arange(9, 0, -1)).astype(np.float32)


def panel(picture: Image.Image, number: int) -> np.ndarray:
    left = MARGIN + number * (SIDE + MARGIN)
    return np.asarray(picture.crop((left, HEAD, left + SIDE + 1, HEAD + SIDE + 1)))


def test_the_plane_is_that_of_the_largest_eigenvectors_of_all_states() -> None:
    states = [embeddings(1), embeddings(2)]
    everything = np.concatenate(states)
    values, vectors = np.linalg.eigh(np.cov(everything.T))
    planes, shares = project(states)
    assert shares == pytest.approx(values[:-3:-1] / values.sum(), rel=1e-4)
    for state, plane in zip(states, planes, strict=True):
        expected = (state - everything.mean(axis=0)) @ vectors[:, :-3:-1]
        np.testing.assert_allclose(np.abs(plane), np.abs(expected), atol=1e-3)


def test_what_did_not_move_is_drawn_in_the_same_place(tmp_path: Path) -> None:
    states = {"before training": embeddings(1), "after 3 steps": embeddings(1), "after 9 steps": embeddings(2)}
    draw_plane(states, MODALITIES, tmp_path / "plane.png")
    with Image.open(tmp_path / "plane.png") as picture:
        first, second, third = (panel(picture, number) for number in range(3))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_every_modality_has_its_colour_in_the_legend(tmp_path: Path) -> None:
    modalities = [Modality(1 + number % 7) for number in range(len(MODALITIES))]
    draw_plane({"before training": embeddings(1)}, modalities, tmp_path / "plane.png")
    with Image.open(tmp_path / "plane.png") as picture:
        below = picture.crop((0, HEAD + SIDE + 1, picture.width, picture.height))
        found = {colour for _, colour in below.getcolors(below.width * below.height) or []}
    assert set(COLOURS.values()) <= found


def test_items_that_are_all_alike_can_be_drawn(tmp_path: Path) -> None:
    draw_plane({"before training": np.ones((2, 4), np.float32)}, MODALITIES[:2], tmp_path / "plane.png")
    with Image.open(tmp_path / "plane.png") as picture:
        assert len(picture.getcolors(picture.width * picture.height) or []) > 2, PAPER
