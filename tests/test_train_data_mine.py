"""Triplets from captions: what is found, what is too trivial, and that nothing crosses a split."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from train.data.mine import (
    DEV_SENTENCES,
    MOST_OF_A_WORD_PAIR,
    TRAIN_SENTENCES,
    Triplet,
    content_words,
    is_trivial,
    mine,
)
from train.data.mined_sheet import PHOTO_SIDE, draw_sheet

ROOT = Path(__file__).resolve().parents[1]
RUNS = "A {} runs along the sandy beach ."


def test_a_pair_is_found_in_both_directions() -> None:
    captions = [[RUNS.format("dog"), "something else entirely"], [RUNS.format("horse")], ["a cat sleeps"]]
    assert mine(captions, ("{old} to {new}",)) == [
        Triplet(0, 1, "dog to horse", "horse runs along sandy beach"),
        Triplet(1, 0, "horse to dog", "dog runs along sandy beach"),
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("dog", "dogs"), ("dog", "puppy"), ("walks", "walking"), ("two", "three"), ("in", "near")]
)
def test_pairs_that_change_nothing_are_left_out(one: str, other: str) -> None:
    assert is_trivial(one, other)
    assert mine([[RUNS.format(one)], [RUNS.format(other)]], TRAIN_SENTENCES) == []


@pytest.mark.parametrize(("one", "other"), [("dog", "horse"), ("red", "blue"), ("beach", "snow"), ("man", "woman")])
def test_pairs_that_change_something_are_kept(one: str, other: str) -> None:
    assert not is_trivial(one, other)


def test_two_captions_of_one_photo_make_no_pair() -> None:
    assert mine([[RUNS.format("dog"), RUNS.format("horse")]], TRAIN_SENTENCES) == []


def test_short_captions_pin_down_no_scene() -> None:
    assert mine([["a dog runs"], ["a horse runs"]], TRAIN_SENTENCES) == []


def test_frequent_pairs_of_words_are_cut_off_and_the_seed_decides() -> None:
    captions = [[RUNS.format(word)] for word in ("dog", "horse") for _ in range(6)]
    found = mine(captions, TRAIN_SENTENCES, seed=1)
    assert len(found) == 2 * MOST_OF_A_WORD_PAIR
    assert found == mine(captions, TRAIN_SENTENCES, seed=1) != mine(captions, TRAIN_SENTENCES, seed=2)


def test_articles_and_punctuation_do_not_count() -> None:
    assert content_words("The T-shirt, of a (tall) man !") == ("t-shirt", "of", "tall", "man")


def test_sentences_to_train_on_and_to_report_on_are_apart() -> None:
    assert set(TRAIN_SENTENCES).isdisjoint(DEV_SENTENCES)


def test_the_sheet_shows_each_triplet_with_its_photos_in_order(tmp_path: Path) -> None:
    for name in ("red", "lime", "blue"):
        Image.new("RGB", (50, 30), name).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / f"{name}.png") for name in ("red", "lime", "blue")]
    sheet = draw_sheet([Triplet(0, 1, "one", ""), Triplet(2, 0, "two", "")] * 3, paths)
    width, height = sheet.width // 4, sheet.height // 2
    left, right = PHOTO_SIDE // 2, PHOTO_SIDE + PHOTO_SIDE // 2
    rows = [[sheet.getpixel((column * width + x, 20)) for x in (left, right)] for column in range(4)]
    assert rows[0] == [(255, 0, 0), (0, 255, 0)] == rows[2]
    assert rows[1] == [(0, 0, 255), (255, 0, 0)] == rows[3]
    assert sheet.getpixel((2 * width + left, height + 20)) == (255, 255, 255)


def test_the_command_draws_and_names_a_split_without_triplets(tmp_path: Path) -> None:
    Image.new("RGB", (50, 30)).save(tmp_path / "a.png")
    captions = [RUNS.format("dog"), RUNS.format("horse")]
    rows = [{"path": "a.png", "text": [caption], "split": "train"} for caption in captions]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "train.data.mined_sheet", "--manifest", str(tmp_path / "manifest.jsonl")]
    command += ["--out", str(tmp_path / "sheets" / "sheet.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("2 of 2 triplets")
    assert (tmp_path / "sheets" / "sheet.png").stat().st_size > 0
    refused = subprocess.run([*command, "--split", "dev"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, "no triplets in split 'dev'" in refused.stderr) == (2, True)
