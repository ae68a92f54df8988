"""Queries in other languages are told by their script and by words that English does not have; in doubt, nothing is."""

from __future__ import annotations

import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.search.language import LANGUAGES, WORD_LIST, foreign_language

ENGLISH = frozenset({"English"})


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ein Hund am Strand", "German"),
        ("hund", "German"),
        ("chien", "French"),
        ("Voiture de police", "French"),
        ("un perro en la playa", "Spanish"),
        ("bambini che giocano", "Italian"),
        ("vrouw met een rode jas", "Dutch"),
        ("红色的汽车", "Chinese or Japanese"),
        ("狗", "Chinese or Japanese"),
        ("赤いボール", "Japanese"),
        ("красная машина", "Russian"),
        ("червоний автомобіль біля лісу", "Ukrainian"),
        ("سيارة حمراء", "Arabic"),
        ("پرچم", "Persian"),
        ("빨간 자동차", "Korean"),
        ("κόκκινο", "Greek"),
        ("कुत्ता", "Hindi"),
    ],
)
def test_a_query_in_another_language_is_named(text: str, language: str) -> None:
    assert foreign_language(text, ENGLISH) == language
    assert foreign_language(text, ENGLISH | {language.partition(" or ")[0]}) is None


@pytest.mark.parametrize(
    "text",
    [
        "a dog on the beach",
        "dog",
        "die hard",
        "espresso",
        "a boy with a sombrero",
        "Neuschwanstein",
        "Eiffel Tower",
        "München",
        "Rio de Janeiro",
        "Cirque du Soleil",
        "IMG_2034",
        "hund.jpg",
        "https://chien.example",
        "5 µm",
        "Δ",
        "",
        "!?",
        "photo of 東京 tower at night",
    ],
)
def test_english_names_and_codes_are_not(text: str) -> None:
    assert foreign_language(text, ENGLISH) is None


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    assert foreign_language(text, ENGLISH) is None or isinstance(foreign_language(text, ENGLISH), str)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "1 " * 500_000, "'" * 1_000_000, "狗" * 1_000_000])
def test_a_long_text_takes_no_time(text: str) -> None:
    started = time.process_time()
    foreign_language(text, ENGLISH)
    assert time.process_time() - started < 0.5


def test_the_list_of_words_is_sorted_and_knows_only_languages_with_a_name() -> None:
    lines = WORD_LIST.read_bytes().splitlines()
    assert lines == sorted(lines)
    assert {code.removeprefix("~") for line in lines for code in line.decode().split()[1:]} == set(LANGUAGES)


def test_the_list_is_read_only_when_a_language_is_asked_for() -> None:
    code = "import unite_search.search.encoding as _; import unite_search.search.language as one; import sys\n"
    code += "sys.exit(one._lines.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_decomposed_letters_are_the_same_text() -> None:
    text = "für kinder spielen"
    assert foreign_language(unicodedata.normalize("NFD", text), frozenset()) == "German"
