"""Shares and distances on cases worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

from train.data import Pair, Side
from train.diagnostics import draw, masked_percent, mean_cosines
from unite_search.modality import Modality

TEXT, IMAGE = Side(text="t"), Side(images=("i",))


def test_masked_share_counts_the_candidates_of_other_modalities() -> None:
    batch = [Pair(query=TEXT, candidate=IMAGE)] * 4 + [Pair(query=IMAGE, candidate=TEXT)]
    assert masked_percent([batch]) == {"text -> image": 25.0, "image -> text": 100.0}


def test_mean_cosines_leave_out_an_item_with_itself() -> None:
    embeddings = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    modalities = [Modality.TEXT, Modality.TEXT, Modality.IMAGE]
    assert mean_cosines(embeddings, modalities) == {"image, text": 0.5, "text, text": 0.0}


def test_the_picture_shows_modalities_that_stand_apart(tmp_path: Path) -> None:
    embeddings = np.repeat(np.eye(2, 5, dtype=np.float32), 20, axis=0)
    draw(embeddings, [Modality.TEXT] * 20 + [Modality.IMAGE] * 20, tmp_path / "plane.png")
    with Image.open(tmp_path / "plane.png") as picture:
        colours = {colour for _, colour in picture.getcolors() or []}
    assert colours == {(255, 255, 255), (0xC0, 0x39, 0x2B), (0x24, 0x71, 0xA3)}
