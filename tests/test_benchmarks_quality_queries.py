"""The benchmark of typed queries: its counts on made-up photos, and what it promises on the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.common.photos import read_photos
from benchmarks.common.results import RESULTS
from benchmarks.quality import queries


def test_false_alarms_and_found_languages_are_counted() -> None:
    asked = {"english": {"words": ["dog", "chien"]}, "foreign": {"German": ["hund", "Hund", "chien"]}}
    counted = queries.language(asked, ["a dog", "un chien sur la plage", "a cat"])
    assert counted["false_alarms"] == {
        "words": {"texts": 2, "called_foreign": 1},
        "captions": {"texts": 3, "called_foreign": 1},
    }
    assert counted["found"]["German"] == {"texts": 3, "called_foreign": 2, "right_language": 1, "without_capitals": 3}


def test_the_words_of_the_test_were_not_chosen_on() -> None:
    short = json.loads(queries.QUERIES.read_text(encoding="utf-8"))["short"]
    assert len(short["tested_on"]["words"]) >= 30
    for kind in ("words", "phrases"):
        assert not set(short["chosen_on"][kind]) & set(short["tested_on"][kind])


@pytest.mark.parametrize("form", ["word", "plural", "upper case", "phrase"])
def test_searched_words_find_no_less_than_words_as_typed(form: str) -> None:
    tested = json.loads((RESULTS / "queries.json").read_text(encoding="utf-8"))["results"]["short"]["tested_on"]
    assert tested[form]["right_as_searched"] >= tested[form]["right_as_typed"]
    assert tested["word"]["right_as_searched"] >= tested["a word"]["right_as_typed"]


def test_no_english_caption_is_called_foreign(shared_data: Path) -> None:
    captions = [caption for photo in read_photos(shared_data, "dev") for caption in photo.captions]
    found = queries.language({"english": {}, "foreign": {}}, captions)["false_alarms"]["captions"]
    assert found["called_foreign"] / found["texts"] < 0.005
