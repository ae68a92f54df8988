"""The photos and clips of the built-in calibration, and that measuring twice gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common.photos import read_clips, read_photos
from train.starter import calibrate as module
from train.starter.calibrate import calibrate_starter, calibration_files
from unite_search.encoders.calibration import BUILT_IN, Calibration


def test_it_is_measured_on_dev_photos_that_benchmarks_leave_alone(shared_data: Path) -> None:
    files = calibration_files(shared_data)
    photos = [(file.path, file.captions) for file in files if file.modality == "image"]
    dev = [(photo.path.resolve(), tuple(map(joined, photo.captions))) for photo in read_photos(shared_data, "dev")]
    assert [(path.resolve(), captions) for path, captions in photos] == dev[:400]
    assert len(files) - 400 == len(read_clips(shared_data))


def joined(caption: str) -> str:
    return " ".join(caption.split())


@pytest.mark.slow
def test_the_same_photos_give_the_same_bytes(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of them gives lines that are much like the committed ones."""
    monkeypatch.setattr(module, "calibration_files", lambda data: calibration_files(data)[:40])
    for name in ("first.npz", "second.npz"):
        calibrate_starter(shared_data, tmp_path / name)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    few, all_of_them = Calibration.read(tmp_path / "first.npz"), Calibration.read(BUILT_IN["starter"])
    slopes = [found.lines["text", "image"].slope for found in (few, all_of_them)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.35)
    assert few.fingerprint == all_of_them.fingerprint
