"""The meter against a clock that the test moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from unite_search.ingest.progress import Meter, progress_file, read_progress
from unite_search.report import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_rate_and_remaining_time_by_hand(clock: list[float]) -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append)
    for _ in range(50):
        meter.found()
    meter.scan_finished()
    clock[0] += 4
    for _ in range(20):
        meter.finished()
    meter.show(items=20, embedded=25, skipped=0)
    assert seen[-1].rate == pytest.approx(5.0)
    assert seen[-1].remaining_s == pytest.approx(6.0)
    assert (seen[-1].items, seen[-1].embedded) == (20, 25)


def test_nothing_is_promised_while_the_scan_goes_on(clock: list[float]) -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append)
    meter.found()
    clock[0] += 1
    meter.finished()
    meter.show(items=1, embedded=1, skipped=0)
    assert seen[-1].remaining_s is None


def test_calls_come_a_few_times_a_second_and_always_at_a_new_stage(clock: list[float]) -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append)
    for _ in range(100):
        clock[0] += 0.01
        meter.show(items=0, embedded=0, skipped=0)
    assert 3 <= len(seen) <= 6
    meter.show(items=0, embedded=0, skipped=0, stage="done")
    assert seen[-1].stage == "done"


def test_the_rate_follows_a_change_of_pace(clock: list[float]) -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append)
    for pace in (10, 1):
        for _ in range(30):
            clock[0] += 1
            for _ in range(pace):
                meter.finished()
            meter.show(items=0, embedded=0, skipped=0)
    assert seen[-1].rate == pytest.approx(1.0, abs=0.2)


def test_what_is_reported_after_a_run_leaves_no_file_behind(tmp_path: Path, clock: list[float]) -> None:
    with progress_file(tmp_path, None) as tell:
        tell(Progress(stage="index"))
        assert read_progress(tmp_path) is not None
    clock[0] += 100
    tell(Progress(stage="done"))
    assert read_progress(tmp_path) is None
