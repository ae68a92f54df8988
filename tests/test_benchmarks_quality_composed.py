from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from toy import ToyEncoder

from benchmarks.quality import composed
from benchmarks.quality.edit_set import EDITS, Edit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three photos of noise in the layout of `../shared/data`."""
    folder = tmp_path / "captioned"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for number in range(3):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            PillowImage.fromarray(pixels).save(folder / f"{number}.png")
            manifest.write(f'{{"path": "{number}.png", "text": ["noise"], "split": "dev"}}\n')
    return tmp_path


def test_report_counts_and_its_parts_agree(data: Path) -> None:
    result = composed.run(data, ToyEncoder())
    assert (result["photos"], result["gallery"], result["queries"]) == (3, 24, 21)
    for method in result["recall_at_1"].values():
        assert method["all"] == pytest.approx(np.mean([method[edit.name] for edit in EDITS]), abs=0.1)
    assert result["recall_at_1"]["late_fusion"]["all"] >= result["recall_at_1"]["image_only"]["all"]


def test_the_reference_is_left_out_and_the_target_must_be_first() -> None:
    queries = composed.Queries(photo=np.array([0, 1]), edit=np.array([2, 0]), wording=("make it green", "make it red"))
    scores = np.zeros((2, 16), np.float32)
    scores[0, [0, 3]] = 9, 5
    scores[1, [8, 9, 10]] = 9, 5, 6
    assert composed._is_first(scores, queries).tolist() == [True, False]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_pixel_edits_change_pixels_and_keep_the_shape(edit: Edit) -> None:
    pixels = np.random.default_rng(1).integers(40, 200, (16, 24, 3), dtype=np.uint8)
    edited = edit.apply(pixels)
    assert (edited.shape, edited.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(edited.astype(int) - pixels).mean() > 5


def test_wordings_to_tune_on_and_to_report_on_are_apart() -> None:
    tune = {wording for edit in EDITS for wording in edit.train_wordings}
    report = {wording for edit in EDITS for wording in edit.dev_wordings}
    assert tune.isdisjoint(report)
