"""Recall on mined triplets, with an encoder that knows colours by name and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from toy import COLOURS, ToyEncoder

pytest.importorskip("torch")

from train.starter.mined_recall import measure

CAPTION = "a {} wall stands behind the old wooden house"


@pytest.fixture
def photos(tmp_path: Path) -> list[tuple[str, list[str]]]:
    """A plain photo a colour."""
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    return [(str(tmp_path / f"{name}.png"), [CAPTION.format(name)]) for name in COLOURS]


def test_words_alone_and_what_is_wanted_find_it_and_the_photo_alone_does_not(
    photos: list[tuple[str, list[str]]],
) -> None:
    found = measure(photos, ToyEncoder())
    assert found["photos"] == len(photos)
    assert found["triplets"] == len(photos) * (len(photos) - 1)
    recall = found["recall"]
    assert recall["described"]["recall_at_1"] == 100
    assert recall["image_only"]["recall_at_1"] < recall["described"]["recall_at_1"]
    assert recall["late_fusion"]["recall_at_10"] >= max(
        recall["image_only"]["recall_at_10"], recall["text_only"]["recall_at_10"]
    )
