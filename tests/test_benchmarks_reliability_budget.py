"""The benchmark of files without end, at toy size."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from PIL import Image

from benchmarks.reliability import budget
from unite_search.media.text import parse_cues


def test_the_files_are_what_they_are_called(tmp_path: Path) -> None:
    budget.write_gif(tmp_path / "a.gif", 1000)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 1000
        picture.seek(999)
        picture.load()
    budget.write_long_clip(tmp_path / "a.mp4", 0.1)
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert len(packets) == 360
        assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == [0]
        assert container.duration == 360 * av.time_base
    budget.write_cues(tmp_path / "a.srt", 200)
    cues = parse_cues((tmp_path / "a.srt").read_text())
    assert (len(cues), cues[199].start_s) == (200, 19.9)
    budget.write_log(tmp_path / "a.txt", 100_000)
    assert 100_000 <= (tmp_path / "a.txt").stat().st_size < 200_000


@pytest.mark.slow
def test_no_photo_is_lost_beside_a_file_without_end() -> None:
    found = budget.run(budget.SMALL)
    assert len(found["by_file"]) == 6
    assert (found["photos_missing"], found["raw_errors"], found["left_running"]) == (0, 0, 0)
    assert all(one["exit_code"] == 0 and one["items"] for one in found["by_file"].values())
    assert found["photos_alone_s"] > 0


def test_a_photo_that_is_missing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = budget.Run(code=0, seconds=1, photos=5, items=1, said="", is_raw=False, left_running=0)
    monkeypatch.setattr(budget, "_run", lambda *_: lost)
    monkeypatch.setattr(budget, "_photos_after_s", lambda *_: 1.0)
    assert budget.run(budget.SMALL)["photos_missing"] == 1
