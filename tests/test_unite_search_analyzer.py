"""The analyzer: what is indexed and what is asked become the same terms."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.analyzer import (
    FIELD_BREAK,
    MAX_TERM_CHARACTERS,
    contains,
    document,
    first_run,
    folded,
    read_document,
    singular,
    terms,
    variants,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Dog, running!", ["a", "dog", "running"]),
        ("IMG_2034.JPG", ["img", "2034", "jpg"]),
        ("RX-4471-B", ["rx", "4471", "b"]),
        ("Café naïve Straße ﬁne", ["cafe", "naive", "strasse", "fine"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("don't", ["don't"]),
        ("東京タワー and 雨", ["東京", "京タ", "タワ", "ワー", "and", "雨"]),
        ("iPhone写真2019", ["iphone", "写真", "2019"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("|", []),
        ("", []),
        ("x" * 100, ["x" * MAX_TERM_CHARACTERS]),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sunsetBeach2", ["2", "beach", "beach2", "sunset", "sunsetbeach"]),
        ("DSC00123", ["00123", "dsc"]),
        ("dogs and ponies", ["dog", "pony"]),
        ("京都", ["京", "都"]),
        ("a plain text", []),
        ("IMG_2034", []),
    ],
)
def test_variants(text: str, expected: list[str]) -> None:
    assert variants(text) == expected


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        *(("dogs", "dog"), ("boxes", "box"), ("beaches", "beach"), ("cities", "city"), ("glasses", "glass")),
        *(
            ("glass", "glass"),
            ("bus", "bus"),
            ("tennis", "tennis"),
            ("gas", "gas"),
            ("houses", "house"),
            ("horse", "horse"),
        ),
    ],
)
def test_the_singular_of_a_plural(plural: str, expected: str) -> None:
    assert singular(plural) == expected


@given(st.text())
def test_terms_survive_being_analysed_again(text: str) -> None:
    """What the index holds is split at spaces alone, so no term may hold one, nor be the mark between fields."""
    found = terms(text)
    assert all(term and not term.isspace() and " " not in term and term != FIELD_BREAK for term in found)
    assert folded(folded(text)) == folded(text)


@given(st.text())
def test_forms_of_one_text_have_the_same_terms(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert terms(unicodedata.normalize(form, text)) == terms(text)


def test_a_document_keeps_phrases_inside_their_fields() -> None:
    made = document("The old dogs", ["", "two birds sleeps.txt"])
    assert made == "the old dogs | dog ||  | two birds sleeps txt | bird | sleep"
    assert read_document(made) == ("the old dogs | dog", " | two birds sleeps txt | bird | sleep")
    assert first_run("the old dogs | dog") == "the old dogs"
    assert first_run(" | two birds sleeps txt | bird | sleep") == ""
    assert contains(made, ["old", "dogs"])
    assert not contains(made, ["dogs", "two"])
    assert not contains(made, ["bird", "sleep"])
    assert not contains(made, ["ol"])
    assert read_document(document("", [])) == ("", "")
    assert not contains("a", ["a", "b"])
