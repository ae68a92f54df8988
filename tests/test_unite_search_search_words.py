"""Queries as people type them: quoted words, words that must not occur, codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.search.words import Words, parse, parse_all


@pytest.mark.parametrize(
    ("text", "plain", "required", "excluded"),
    [
        ("red car", "red car", [], []),
        ('"red car" on a beach', "red car on a beach", [["red", "car"]], []),
        ("“smart quotes” too", "smart quotes too", [["smart", "quotes"]], []),
        ("beach -dog", "beach", [], [["dog"]]),
        ('beach -"old dog', "beach", [], [["old", "dog"]]),
        ('beach -"old dog" now', "beach now", [], [["old", "dog"]]),
        ("-dog", "", [], [["dog"]]),
        ("foo-bar x-ray", "foo-bar x-ray", [], []),
        ("at -5 degrees", "at -5 degrees", [], []),
        ("invoice -2024", "invoice -2024", [], []),
        ('invoice -"2024"', "invoice", [], [["2024"]]),
        ('an open " quote', 'an open " quote', [], []),
        ('5" screen and 6" screen', '5" screen and 6" screen', [], []),
        ('""', "", [], []),
        ("- --", "- --", [], []),
    ],
)
def test_marks(text: str, plain: str, required: list[list[str]], excluded: list[list[str]]) -> None:
    read, words = parse(text)
    assert read == plain
    assert [list(phrase) for phrase in words.required] == required
    assert [list(phrase) for phrase in words.excluded] == excluded


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("where is order RX-4471-B", [("rx", "4471", "b")]),
        ("IMG_2034.jpg", [("img", "2034", "jpg")]),
        ("two dogs in 2019", [("2019",)]),
        ("5 dogs", []),
    ],
)
def test_codes(text: str, codes: list[tuple[str, ...]]) -> None:
    assert list(parse(text)[1].codes) == codes


def test_stop_words_count_only_where_there_is_nothing_else() -> None:
    assert parse("the dog and the cat")[1].telling == ("dog", "cat")
    assert parse("to be or to be")[1].telling == ("to", "be", "or")


def test_several_texts_are_read_one_by_one() -> None:
    texts, words = parse_all(["a dog -cat", "-bird", '"by the sea"'])
    assert texts == ["a dog", "by the sea"]
    assert words == Words(
        ("a", "dog", "by", "the", "sea"),
        required=(("by", "the", "sea"),),
        excluded=(("cat",), ("bird",)),
    )


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    _, words = parse(text)
    assert set(words.telling) <= set(words.terms)
