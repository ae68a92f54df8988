"""Which words are listed for a language, on frequencies that the test sets."""

from __future__ import annotations

import pytest

from tools import language_words


def test_words_are_listed_that_english_hardly_uses_and_marked_if_it_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    frequencies = {"de": {"ein": -4.0, "hund": -11.0, "auto": -10.0, "taxi": -11.0}, "da": {"hund": -10.0}}
    monkeypatch.setattr(language_words, "_frequencies", lambda code: iter(frequencies.get(code, {}).items()))
    lines = language_words.listed({"ein": -9.0, "auto": -12.0, "taxi": -12.0}, {"ein"})
    assert lines == ["auto de\n", "ein ~de\n", "hund de da\n"]
