"""The benchmark of many readers, at toy size; and the comparisons of a reader, which must see a wrong answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.exported import random_rows, write_export
from benchmarks.reliability import reader, readers
from benchmarks.reliability.commands import DIM, Program, free_encoder
from benchmarks.reliability.runs import FILES, Journal, text_of
from unite_search.collection import Collection
from unite_search.encoders.base import EncoderOptions

ROWS = 40


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A collection of random vectors and of one run of the writer."""
    program, run = Program(tmp_path / "encoder"), tmp_path / "run-0"
    write_export(tmp_path / "vectors", random_rows(ROWS, DIM), free_encoder(EncoderOptions()))
    program.ok("import", str(tmp_path / "vectors"), "--db", str(tmp_path / "db"))
    run.mkdir()
    for number in range(FILES):
        (run / f"{number}.txt").write_text(text_of(run.name, number))
    program.ok("index", str(run), "--db", str(tmp_path / "db"), "--quiet")
    return tmp_path / "db"


def test_a_reader_sees_wrong_answers(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, chance = random_rows(ROWS, DIM), np.random.default_rng(0)
    journal, run = Journal(tmp_path / "journal"), tmp_path / "run-0"
    journal.write("committed", run)
    with Collection.open(database) as collection:
        assert reader.wrong_images(collection, vectors, 7) is None
        assert reader.wrong_texts(collection, vectors[7]) is None
        assert reader.missing(collection, journal.committed(), journal, chance) is None
        assert reader.wrong_images(collection, vectors[::-1].copy(), 7) is not None
        unknown = frozenset([str(tmp_path / "run-1")])
        assert reader.missing(collection, unknown, journal, chance) == f"0 of {FILES} files of {tmp_path / 'run-1'}"
        monkeypatch.setattr(reader, "text_of", lambda run, number: "another text")
        assert "run-0" in str(reader.wrong_texts(collection, vectors[7]))


def test_the_journal_says_what_must_be_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write("committed", Path("/a b"))
    journal.write("committed", Path("/c"))
    assert journal.committed() == {"/a b", "/c"}
    journal.write("removing", Path("/a b"))
    assert (set(journal.committed()), set(journal.removing())) == ({"/c"}, {"/a b"})
    assert readers._lost(frozenset(["/c"]), {f"/c/{number}.txt" for number in range(FILES - 1)}) == [
        f"/c/{FILES - 1}.txt"
    ]


@pytest.mark.slow
def test_readers_a_writer_and_copies() -> None:
    found = readers.run(replace(readers.SMALL, seconds=8))
    assert found["answers"] > 0
    assert found["index_runs"] > 0
    assert (found["wrong_answers"], found["reader_errors"], found["lost"], found["failed_writes"]) == (0, 0, 0, 0)
    copies = found["copies"]
    assert copies["made"] == copies["clean"] + copies["repaired"] + copies["damaged"] > 0
