"""The benchmark that kills commands, at toy size; and its judge, which must see what was lost."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import lance
import pytest

from benchmarks.common.exported import random_rows, write_export
from benchmarks.reliability import commands, kills, record
from benchmarks.reliability.commands import DIM, Program, free_encoder
from benchmarks.reliability.trials import DB, Case, Trials, damage, draw
from unite_search.encoders.base import EncoderOptions

ROWS = 12


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "encoder")


@pytest.fixture
def start(tmp_path: Path, program: Program) -> Path:
    """A folder with a collection of random vectors."""
    write_export(tmp_path / "vectors", random_rows(ROWS, DIM), free_encoder(EncoderOptions()))
    program.ok("import", str(tmp_path / "vectors"), "--db", str(tmp_path / "start" / "db"))
    return tmp_path / "start"


def forget_rows(database: Path, condition: str) -> None:
    """Lose rows behind the program's back."""
    lance.dataset(str(database / "catalog" / "items.lance")).delete(condition)


def test_the_record_of_a_collection_and_of_its_export_are_equal(tmp_path: Path, start: Path, program: Program) -> None:
    program.ok("export", str(tmp_path / "out"), "--db", str(start / "db"))
    exported, kept = record.read_export(tmp_path / "out"), record.read_record(start / "db")
    assert exported.contents == kept.contents
    assert len(kept) == ROWS


def test_differences_name_what_was_lost_changed_or_embedded_again() -> None:
    before = record.Record({"a": b"1", "b": b"2", "c": b"3"}, {"a": (1,), "b": (2,), "c": (3,)})
    after = record.Record({"b": b"2", "c": b"3", "d": b"4"}, {"b": (2,), "c": (3,), "d": (9,)})
    assert record.differences(before, before, after) == record.differences(after, before, after) == []
    now = record.Record({"b": b"2", "c": b"5"}, {"b": (7,), "c": (3,)})
    assert sorted(record.differences(now, before, after)) == ["changed: c", "embedded again: b"]
    assert record.differences(record.EMPTY, before, before) != []
    gone = record.Record({"a": b"1"}, {"a": (1,)})
    assert sorted(record.differences(gone, before, after)) == ["lost: b", "lost: c"]


def test_what_is_lost_is_counted(tmp_path: Path, start: Path, program: Program) -> None:
    case = Case(name="rebuild", start=start, command=("rebuild", *DB))
    trials = Trials(program, case, tmp_path / "trial")
    trials.judge("undisturbed")
    trials.finish()
    assert (trials.found.lost, trials.found.half_done, trials.found.not_finished) == (0, 0, 0)
    forget_rows(tmp_path / "trial" / "db", "id < 2")
    trials.judge("two rows are gone")
    trials.finish()
    assert (trials.found.lost, trials.found.half_done, trials.found.not_finished) == (2, 1, 1)


def test_what_was_committed_by_a_killed_run_must_stay(tmp_path: Path, start: Path, program: Program) -> None:
    media = tmp_path / "media"
    draw(media, 4)
    index = Case(name="index", start=start, command=("index", str(media), *DB, "--quiet"), is_whole=False)
    trials = Trials(program, index, tmp_path / "trial")
    program.ok(*trials.arguments)
    trials.judge("everything is committed")
    assert trials.found.lost == 0
    forget_rows(tmp_path / "trial" / "db", "uri LIKE '%/00003.png'")
    trials.judge("a file that was new is gone again")
    assert trials.found.lost == 1


def test_a_part_of_a_step_is_seen(tmp_path: Path, start: Path, program: Program) -> None:
    remove = Case(name="remove", start=start, command=("remove", "--where", "id < 4", "--yes", *DB))
    trials = Trials(program, remove, tmp_path / "trial")
    forget_rows(tmp_path / "trial" / "db", "id < 2")
    trials.judge("half of it is removed")
    assert (trials.found.lost, trials.found.half_done) == (0, 1)
    trials.finish()
    assert trials.found.not_finished == 0


def test_the_damage_of_the_repair_case_is_one_of_the_catalog_and_one_of_a_partition(
    start: Path, program: Program
) -> None:
    before = record.read_record(start / "db")
    program.ok("verify", "--db", str(start / "db"))
    damage(start / "db")
    now = record.read_record(start / "db")
    assert len(record.differences(now, before, before)) == 1
    verified = program.run("verify", "--db", str(start / "db"))
    assert verified.code == 1
    assert "rows.faiss" in verified.stdout


def test_a_process_that_stays_behind_is_counted_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LEAVE_WITHIN_S", 0.3)
    with subprocess.Popen(["sh", "-c", "sleep 60 & sleep 61 & true"], start_new_session=True) as leader:
        leader.wait()
    assert commands.left_running(leader.pid) == 2
    assert commands.left_running(leader.pid) == 0


def test_raw_errors_are_recognised() -> None:
    ended = commands.Ended(code=1, stdout="", stderr="Error: no space left\n", seconds=0, left_running=0)
    assert not ended.is_raw
    for raw in ("Error: LanceError(IO): x", "thread 'x' panicked at src/y.rs", "Error: unexpected KeyError: 3"):
        assert replace(ended, stderr=raw).is_raw


@pytest.mark.slow
def test_killed_commands_lose_nothing() -> None:
    scale = replace(kills.SMALL, rows=(300,), kills=1)
    found = kills.run(scale)
    assert found["kills"] == len(found["by_command"]) == 10
    assert (found["lost"], found["damaged"], found["left_running"]) == (0, 0, 0)
    assert {name.split(",")[0].split()[0] for name in found["by_command"]} == {
        "index",
        "import",
        "export",
        "remove",
        "rebuild",
        "migration",
        "repair",
    }
