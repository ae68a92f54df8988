from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from toy import ToyEncoder

from benchmarks.quality import composed
from benchmarks.quality.edit_set import EDITS, AskedEdit, SeenEdit
from benchmarks.quality.unseen_edits import UNSEEN_EDITS
from train.data.photo_edits import EDIT_WORDINGS, apply_edit
from train.data.photo_edits import EDITS as TRAINED
from train.starter.composed_edits import KNOWN, UNKNOWN
from unite_search.encoders.starter.phrases import all_phrases

UNSEEN = [edit for edits in UNSEEN_EDITS.values() for edit in edits]


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
    whole = composed.run(data, ToyEncoder())
    result = whole["seen"]
    assert (whole["photos"], result["gallery"], result["queries"]) == (3, 24, 21)
    for method in result["recall_at_1"].values():
        assert method["all"] == pytest.approx(np.mean([method[edit.name] for edit in EDITS]), abs=0.1)
    assert result["recall_at_1"]["late_fusion"]["all"] >= result["recall_at_1"]["image_only"]["all"]


def test_the_reference_is_left_out_and_the_target_must_be_first() -> None:
    queries = composed.Queries(photo=np.array([0, 1]), edit=np.array([2, 0]), wording=("make it green", "make it red"))
    scores = np.zeros((2, 16), np.float32)
    scores[0, [0, 3]] = 9, 5
    scores[1, [8, 9, 10]] = 9, 5, 6
    assert composed._is_first(scores, queries).tolist() == [True, False]


def test_unseen_edits_are_counted_by_group_and_late_fusion_is_the_best_there_is(data: Path) -> None:
    result = composed.run(data, ToyEncoder())["unseen"]
    assert (result["gallery"], result["queries"]) == (3 * (1 + len(UNSEEN)), 3 * len(UNSEEN))
    recalls = result["recall_at_1"]
    for method in recalls.values():
        for group, edits in UNSEEN_EDITS.items():
            assert method[group] == pytest.approx(np.mean([method[edit.name] for edit in edits]), abs=0.1)
    assert recalls["late_fusion_per_edit"]["all"] >= recalls["late_fusion"]["all"]
    assert recalls["late_fusion"]["all"] >= max(recalls["image_only"]["all"], recalls["text_only"]["all"])


def test_an_edit_that_leaves_a_photo_as_it_is_is_not_asked_for(data: Path) -> None:
    grey = np.full((24, 24, 3), 90, np.uint8)
    photos = [grey, np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)]
    result = composed.measure(photos, {"one": (EDITS[3].asked("dev"),)}, ToyEncoder())
    assert (result["gallery"], result["queries"]) == (4, 1)


def test_late_fusion_per_edit_takes_the_best_weight_of_each_edit() -> None:
    queries = composed.Queries(photo=np.array([0, 1]), edit=np.array([0, 1]), wording=("a", "b"))
    fusions = [np.array([True, False]), np.array([False, True]), np.array([False, False])]
    assert composed._best_of_each_edit(fusions, queries).tolist() == [True, True]


def test_nothing_of_the_unseen_edits_is_known_to_training_or_to_the_encoder() -> None:
    """Wordings are compared as they are, apart from case and the words that a photo fills in."""
    known = {phrase for phrase, _ in all_phrases()}
    known |= {wording for edit in EDITS for wording in (*edit.train_wordings, *edit.dev_wordings)}
    known |= {wording for wordings in EDIT_WORDINGS.values() for wording in wordings}
    known |= {wording for edit in (KNOWN | UNKNOWN).values() for wording in edit.wordings}
    unseen = [wording for edit in UNSEEN for wording in edit.wordings]
    assert len(unseen) == len(set(unseen))
    assert {wording.lower() for wording in unseen}.isdisjoint(wording.lower() for wording in known)


@pytest.mark.parametrize("edit", UNSEEN, ids=lambda edit: edit.name)
def test_unseen_edits_are_other_pixels_than_those_of_training(edit: AskedEdit) -> None:
    """But for a mirrored photo and half a turn, of which there is one formula each."""
    row, column, channel = np.indices((60, 80, 3))
    pixels = ((row * 3 + column * (channel + 2) + row * column // 16) % 256).astype(np.uint8)
    edited = edit.apply(pixels)
    assert (edited.shape, edited.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(edited.astype(int) - pixels).mean() > 5
    photo = PillowImage.fromarray(pixels)
    others = [apply_edit(name, pixels) for name in TRAINED]
    others += [np.asarray(formula(photo)) for known in KNOWN.values() for formula in known.formulas]
    same = [other for other in others if np.abs(edited.astype(int) - other).mean() < 1]
    assert bool(same) == (edit.name in {"flip", "upside down"})


def test_one_colour_is_replaced_by_hue_and_the_wording_says_which() -> None:
    pixels = np.full((20, 20, 3), 120, np.uint8)
    pixels[:12] = 200, 30, 40
    (edit,) = (edit for edit in UNSEEN if edit.name == "replaced")
    assert dict(edit.words(pixels)) == {"old": "red", "new": "blue"}
    edited = edit.apply(pixels)
    assert (edited[:12].argmax(axis=2) == 2).all()
    assert (np.abs(edited[12:].astype(int) - 120) <= 1).all()


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_pixel_edits_change_pixels_and_keep_the_shape(edit: SeenEdit) -> None:
    pixels = np.random.default_rng(1).integers(40, 200, (16, 24, 3), dtype=np.uint8)
    edited = edit.apply(pixels)
    assert (edited.shape, edited.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(edited.astype(int) - pixels).mean() > 5


def test_wordings_to_tune_on_and_to_report_on_are_apart() -> None:
    tune = {wording for edit in EDITS for wording in edit.train_wordings}
    report = {wording for edit in EDITS for wording in edit.dev_wordings}
    assert tune.isdisjoint(report)
