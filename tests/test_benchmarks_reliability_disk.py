"""The benchmark of full and read-only disks, at toy size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.reliability import disk
from benchmarks.reliability.commands import Ended, Program
from benchmarks.reliability.trials import cases


def ended(code: int, stderr: str) -> Ended:
    return Ended(code=code, stdout="", stderr=stderr, seconds=0, left_running=0)


def test_one_line_is_one_line() -> None:
    assert disk.says_one_line(ended(1, "Error: No space left on device: /db/x\n"))
    assert disk.says_one_line(ended(1, "Note: partition image: rebuilt from the catalog\nError: No space left\n"))
    assert not disk.says_one_line(ended(0, ""))
    assert not disk.says_one_line(ended(-9, "Error: No space left on device\n"))
    assert not disk.says_one_line(ended(1, "Error: LanceError(IO): No space left on device, src/x.rs:1:2\n"))
    assert not disk.says_one_line(ended(1, "Error: one\nError: two\n"))
    assert not disk.says_one_line(ended(1, "Traceback (most recent call last):\nOSError: No space left\n"))


@pytest.mark.slow
def test_without_root_a_file_that_grows_too_large_stands_for_a_full_disk(tmp_path: Path) -> None:
    program = Program(tmp_path / "encoder")
    (tmp_path / "disk").mkdir()
    case = next(case for case in cases(program, tmp_path, rows=60, added=2) if case.name.startswith("rebuild"))
    found = disk.fill(program, case, tmp_path / "disk", (0.0, 0.5, 1.5), is_disk=False)
    assert (found["refused"], found["enough_room"], found["not_one_line"]) == (2, 1, 0)
    assert (found["lost"], found["half_done"], found["damaged"], found["not_finished"]) == (0, 0, 0, 0)


@pytest.mark.slow
def test_a_full_disk_and_a_protected_one_lose_nothing() -> None:
    found = disk.run(replace(disk.SMALL, rows=100, rooms=(0.0,)))
    enough_room = sum(one["enough_room"] for one in found["by_command"].values())
    assert found["refused"] + enough_room == len(found["by_command"]) == 9
    assert found["refused"] >= 8, "only a change that writes almost nothing may find room"
    assert (found["lost"], found["damaged"]) == (0, 0)
    protected = found["read_only"]
    if protected["method"] == "permissions" or found["method"] == "tmpfs":
        assert protected["reading_works"] == ["status", "query", "similar", "verify", "export"]
        assert protected["writing_says_one_line"] == ["index", "remove", "rebuild", "import"]
        assert protected["is_unchanged"]
