"""Counts of words belong to one table, not to its path; misspelt words are those that the engine finds by edits."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any

import lance
import pyarrow as pa
import pytest

from unite_search.search.lexical import MOST_TERMS, look_up
from unite_search.search.words import parse_all
from unite_search.storage import full_text
from unite_search.storage.full_text import FullText
from unite_search.storage.words import WORDS


def _table(path: Path, texts: list[str]) -> lance.LanceDataset:
    table = lance.write_dataset(pa.table({"id": range(len(texts)), WORDS: texts}), str(path))
    full_text.create(table)
    return lance.dataset(str(path))


def test_a_table_that_is_made_again_at_the_same_path_is_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "table.lance"
    before = _table(path, ["zebra crossing", "zebra"])
    assert FullText(before).frequency(("zebra",)) == 2
    rmtree(path)
    after = _table(path, ["zebra", "horse"])
    assert after.version == before.version
    assert FullText(after).frequency(("zebra",)) == 1


def test_more_phrases_than_are_kept_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_text, "KEPT_FREQUENCIES", 2)
    index = FullText(_table(tmp_path / "table.lance", ["one two three", "two three", "three"]))
    assert [index.frequency((word,)) for word in ("one", "two", "three", "four", "one")] == [1, 2, 3, 0, 1]


def test_swapped_letters_are_two_edits_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = FullText(_table(tmp_path / "table.lance", ["bridge", "horse"]))
    assert index.similar_rows("brigde", 10) == ["bridge"]
    monkeypatch.setattr(full_text, "MOST_EDITS", 1)
    assert index.similar_rows("brigde", 10) == []


def test_the_searches_of_a_long_query_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = FullText(_table(tmp_path / "table.lance", ["some words", "horse"]))
    searches: list[object] = []
    scanned = FullText._scanned

    def counted(index: FullText, *given: Any) -> pa.Table:
        searches.append(given)
        return scanned(index, *given)

    monkeypatch.setattr(FullText, "_scanned", counted)
    _, words = parse_all([" ".join(f"unknown{number} hors{chr(97 + number % 26)}{number}" for number in range(500))])
    look_up(index, words, None, {"text": 2}, 10)
    assert len(searches) < 4 * MOST_TERMS
