"""The benchmark of answers: its measures against naive ones, and its parts on a tiny library with the toy encoder."""

from __future__ import annotations

import json
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import COLOURS, ToyEncoder

from benchmarks.common.photos import Captioned
from benchmarks.quality.answers import absence, bare_words, known_items, mixes, parts, tiny_partitions
from benchmarks.quality.answers.library import Scale, Setting, spoken
from benchmarks.quality.log_odds import MEASURED_PHOTOS, NONSENSE
from unite_search.encoders.measure import auc

SCALE = Scale(
    plain_photos=4,
    dev_photos=8,
    tiny_sizes=(2,),
    tiny_asked=1,
    plain_asked=2,
    notes=3,
    rare_words=4,
    true_captions=4,
)
RARE = ("walrus", "lute", "zeppelin", "marmalade", "quicksand", "tambourine", "gondola", "porcupine")


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """Eight plain pictures that were calibrated on, and eight more of each split; a caption names colour and thing."""
    data = tmp_path_factory.mktemp("data")
    (data / "captioned").mkdir()
    entries = []
    for number in range(MEASURED_PHOTOS + 2 * len(RARE)):
        split, colour = "dev" if number < MEASURED_PHOTOS + len(RARE) else "train", list(COLOURS)[number % 4]
        thing = RARE[number % len(RARE)]
        captions = [f"{colour} picture with {thing}", *(f"{colour} view {turn} {thing}" for turn in range(4))]
        entries.append({"path": f"{split}-{number}.png", "split": split, "text": captions})
        if number < len(RARE) or number >= MEASURED_PHOTOS:
            shade = tuple(min(255, level + number % 50) for level in COLOURS[colour])
            Image.new("RGB", (32, 32), shade).save(data / "captioned" / f"{split}-{number}.png")
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (data / "captioned" / "manifest.jsonl").write_text(lines, encoding="utf-8")
    return Setting(data, ToyEncoder(), tmp_path_factory.mktemp("libraries"), SCALE)


def test_the_area_under_the_points_is_near_the_auc() -> None:
    rng = np.random.default_rng(1)
    present, missing = rng.normal(1, 1, 2000), rng.normal(0, 1, 2000)
    points = absence.roc(present, missing, missing - 9)
    wrong = [1.0, *(1 - point["absent_below"] for point in points), 0.0]
    right = [1.0, *(1 - point["true_below"] for point in points), 0.0]
    area = sum(
        (x - x_next) * (y + y_next) / 2
        for (x, x_next), (y, y_next) in zip(pairwise(wrong), pairwise(right), strict=True)
    )
    assert area == pytest.approx(auc(present, missing), abs=0.01)
    assert all(point["nonsense_below"] == 1.0 for point in points)


@pytest.mark.parametrize(("typo", "edits"), [(name, 2 if "swapped" in name else 1) for name in known_items.TYPOS])
def test_a_typo_is_one_mistake_behind_the_first_letter(typo: str, edits: int) -> None:
    for place in range(1, len("zeppelin") - 1):
        wrong = known_items.TYPOS[typo]("zeppelin", place, "q")
        assert wrong[0] == "z"
        assert _distance(wrong, "zeppelin") == (0 if wrong == "zeppelin" else edits)


def test_rare_words_stand_in_one_text() -> None:
    texts = ["a dog and a walrus", "Dogs bark", "the dog and the lynx", "lynx"]
    held = [set(text.lower().split()) for text in texts]
    expected = {
        word: number
        for number, words in enumerate(held)
        for word in words
        if len(word) >= 4 and sum(word in others for others in held) == 1
    }
    assert known_items.rare_words(texts) == expected


def test_codes_and_names_are_distinct() -> None:
    photos = [Captioned(Path(f"{number}.jpg"), ()) for number in range(1000)]
    assert len(set(known_items.codes(300))) == 300
    assert len(set(known_items.names_of(photos).values())) == 1000


def test_draws_reach_the_number_asked_for_and_repeat_nothing_within() -> None:
    photos = [Captioned(Path(f"{number}.jpg"), ()) for number in range(50)]
    for size, asked in product((1, 3, 30), (1, 100)):
        drawn = tiny_partitions.draws(photos, size, asked)
        assert sum(map(len, drawn)) >= asked
        assert all(len({photo.path for photo in one}) == size for one in drawn)


def test_a_caption_is_asked_without_syntax() -> None:
    assert spoken('A man in a "Go" shirt - and a -hat') == "A man in a Go shirt and a hat"


def test_words_and_their_plurals_are_whole_words() -> None:
    photo = Captioned(Path("x.jpg"), ("A dog", "two Dogs run", "a hotdog", "the men", "doggy"))
    assert bare_words.mentions(photo, ("dog", "dogs")) == 2
    assert bare_words.forms("child")["plural"] == "children"
    assert bare_words.forms("ocean")["with an article"] == "an ocean"


def test_a_tiny_partition_is_found_by_its_own_text(setting: Setting) -> None:
    result = tiny_partitions.run(setting)
    for partition in tiny_partitions.PARTITIONS:
        row = result[partition]["2"]
        assert (row["items"], row["paraphrases"]) == (4, 8)
        assert row["own_text_first"] == row["paraphrase_in_first_ten"] == 1.0
    assert result["worst"]["own_text_first"]["holds"]


def test_codes_names_and_rare_words_are_found(setting: Setting) -> None:
    result = known_items.run(setting)
    assert (result["notes"], result["names"], result["rare_words"]) == (3, 8, 4)
    assert [result[name]["reached"] for name in ("code_first", "name_first", "rare_word_in_first_ten")] == [1, 1, 1]


def test_the_mixes_are_searched_for_photos_and_captions(setting: Setting) -> None:
    result = mixes.run(setting)
    row = result["as many photos as captions"]
    assert row["caption_asks"] == np.mean([row["caption_asks_for_a_photo"], row["caption_asks_for_a_caption"]])
    assert row["caption_asks_for_a_caption"] == 1.0


def test_absence_reports_every_group(setting: Setting) -> None:
    result = absence.run(setting)
    assert result["queries"] == {"true": 4, "absent": len(absence.ABSENT), "nonsense": len(NONSENSE)}
    assert 0 <= result["auc_absent"]["reached"] <= 1
    assert len(absence.ABSENT) == 60


def test_an_unknown_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parts.main(["nothing"])
    assert ended.value.code == 2
    assert "no part nothing; there are tiny-partitions" in capsys.readouterr().err


def test_every_part_is_a_module_with_a_run() -> None:
    for part in parts.PARTS:
        module = import_module(f"{parts.MODULES}.{part.replace('-', '_')}")
        assert callable(module.run)


def _distance(one: str, other: str) -> int:
    """Levenshtein's distance, by its definition."""
    if not one or not other:
        return len(one) + len(other)
    same = _distance_memo(one[1:], other[1:]) + (one[0] != other[0])
    return min(same, _distance_memo(one[1:], other) + 1, _distance_memo(one, other[1:]) + 1)


_MEMO: dict[tuple[str, str], int] = {}


def _distance_memo(one: str, other: str) -> int:
    if (one, other) not in _MEMO:
        _MEMO[one, other] = _distance(one, other)
    return _MEMO[one, other]
