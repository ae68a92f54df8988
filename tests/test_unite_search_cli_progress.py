"""Progress as plain lines, and the words that names and times are put in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from unite_search.cli import progress as shown
from unite_search.display import clock, counted, file_size, one_line, printable, shown_path, time_range
from unite_search.report import Progress


def test_lines_come_every_few_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with shown.shown_progress(quiet=False) as tell:
        assert tell is not None
        for second in range(12):
            now[0] = 100.0 + second
            tell(Progress(stage="index", files_total=2000, files_done=second * 100, items=second, rate=100.0))
        now[0] = 115.0
        last = Progress(
            stage="index", files_total=2000, files_done=1500, embedded=7, skipped=3, scan_finished=True, rate=100.0
        )
        tell(Progress(**{**{name: getattr(last, name) for name in last.__slots__}, "remaining_s": 65.0}))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Indexing: 500 of 2,000+ files, 5 items, 0 skipped, 100.0 files/s",
        "Indexing: 1,000 of 2,000+ files, 10 items, 0 skipped, 100.0 files/s",
        "Indexing: 1,500 of 2,000 files, 0 items and 7 of unfinished files, 3 skipped, 100.0 files/s, 01:05 left",
    ]


def test_lines_of_a_count_say_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with shown.shown_count("Embedding", quiet=False) as tell:
        assert tell is not None
        for second, done in ((1, 10), (6, 0), (8, 400), (9, 500), (20, 1000)):
            now[0] = 100.0 + second
            tell(done, 4000)
    assert capsys.readouterr().err.splitlines() == [
        "Embedding ...",
        "Embedding: 400 of 4,000, 01:12 left",
        "Embedding: 1,000 of 4,000, 01:00 left",
    ]


def test_quiet_has_no_callback() -> None:
    with shown.shown_progress(quiet=True) as tell:
        assert tell is None
    with shown.shown_count("Drawing", quiet=True) as count:
        assert count is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcode 写真.jpg", "plain ünïcode 写真.jpg"),
        ("a\nb\tc\x1b[31m", "a\\nb\\tc\\x1b[31m"),
        ("bad\udcff", "bad\\xff"),
        ("exe\u202egpj.txt", "exe\\u202egpj.txt"),
        (
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        ),
    ],
)
def test_printable_escapes_what_steers_a_terminal_and_nothing_else(text: str, expected: str) -> None:
    assert printable(text) == expected
    printable(text).encode("utf-8")


def test_paths_are_relative_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a" / "b.jpg") == os.path.join("a", "b.jpg")  # noqa: PTH118
    assert shown_path(tmp_path.parent / "b.jpg") == str(tmp_path.parent / "b.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="a working directory cannot be deleted there")
def test_paths_are_shown_where_the_working_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shown_path(tmp_path / "b.jpg") == str(tmp_path / "b.jpg")


def test_times_sizes_and_counts() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 60, 3599, 3600, 36061)] == [
        *("00:00", "00:59", "01:00", "59:59", "1:00:00", "10:01:01")
    ]
    assert (time_range(0.0, 65.0), time_range(None, None), time_range(None, 3.0)) == ("00:00-01:05", "", "")
    assert [file_size(size) for size in (0, 999, 1000, 1.5e6, 2.25e9, 3e12)] == [
        *("0 bytes", "999 bytes", "1.0 KB", "1.5 MB", "2.2 GB", "3.0 TB")
    ]
    assert [counted(count, "item") for count in (0, 1, 1234)] == ["0 items", "1 item", "1,234 items"]


def test_one_line_is_never_longer_than_asked() -> None:
    assert one_line("a\n b\t c", 10) == "a b c"
    assert one_line("word " * 9, 12) == "word word w…"
    assert len(one_line("x" * 99, 12)) == 12
