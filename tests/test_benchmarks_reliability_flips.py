"""The benchmark that flips bits, at toy size; and its judge, which must see wrong answers that nobody noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reliability import flips
from benchmarks.reliability.commands import Ended, Program
from benchmarks.reliability.trials import flip


class Unnoticing:
    """A program that notices nothing, and answers with the bytes of a file."""

    def __init__(self, answer: Path) -> None:
        self.answer = answer

    def ok(self, *arguments: str) -> Ended:
        return self.run(*arguments)

    def run(self, *arguments: str) -> Ended:
        stdout = f'{{"hits": "{self.answer.read_bytes().hex()}"}}' if arguments[0] == "similar" else ""
        return Ended(code=0, stdout=stdout, stderr="", seconds=0, left_running=0)


def test_a_flip_changes_one_bit_and_a_second_one_brings_it_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 255, 7]))
    flip(path, 12)
    assert path.read_bytes() == bytes([0, 255 - 16, 7])
    flip(path, 12)
    assert path.read_bytes() == bytes([0, 255, 7])


def test_a_wrong_answer_that_nobody_noticed_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "db"
    database.mkdir()
    answering, other = database / "answering", database / "other"
    for path in (answering, other):
        path.write_bytes(bytes(20))
    monkeypatch.setattr(flips, "kinds", lambda _: {"answering": [answering], "other": [other]})
    flipping = flips.Flipping(Unnoticing(answering), database)  # type: ignore[arg-type]
    wrong, unseen = flipping.run("answering", 3), flipping.run("other", 3)
    assert (wrong["flips"], wrong["noticed"], wrong["wrong_answers"]) == (3, 0, 3)
    assert (unseen["noticed"], unseen["wrong_answers"]) == (0, 0)
    assert answering.read_bytes() == other.read_bytes() == bytes(20)


@pytest.mark.slow
def test_every_kind_of_file_is_damaged_and_mended(tmp_path: Path) -> None:
    program = Program(tmp_path / "encoder")
    flips.make_collection(program, tmp_path, flips.SMALL)
    found = flips.kinds(tmp_path / "db")
    assert {"catalog: rows", "catalog: removed rows", "catalog: version", "catalog: transaction"} <= set(found)
    assert {
        f"partitions: {kind}" for kind in ("manifest", "rows.faiss", "ids.npy", "index.faiss", "sample.npy")
    } <= set(found)
    flipping = flips.Flipping(program, tmp_path / "db")
    counts = flipping.run("partitions: rows.faiss", 2)
    assert (counts["flips"], counts["noticed"]) == (2, 2)
    assert not program.run("verify", "--db", str(tmp_path / "db")).code
