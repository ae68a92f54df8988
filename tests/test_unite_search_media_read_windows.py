"""Windows over the time of a video."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from drawn_media import BLUE, GREEN, RED, write_clip
from hypothesis import given
from hypothesis import strategies as st

from unite_search.media.read import MIN_SHOT_S, OVERLAP, check, segment, shots, windows


@given(st.floats(0, 5000), st.floats(5, 600))
def test_windows_cover_everything_evenly(duration_s: float, length_s: float) -> None:
    found = windows(duration_s, length_s)
    lengths = [end_s - start_s for start_s, end_s in found]
    assert found[0][0] == 0
    assert found[-1][1] == duration_s
    assert max(lengths) <= length_s * (1 + 1e-9)
    assert min(lengths) == pytest.approx(max(lengths), rel=1e-6)
    for (_, end_s), (start_s, _) in pairwise(found):
        assert end_s - start_s == pytest.approx(lengths[0] * OVERLAP, rel=1e-6)


@given(st.floats(0, 5000), st.floats(5, 600))
def test_no_fewer_windows_would_do(duration_s: float, length_s: float) -> None:
    fewer = len(windows(duration_s, length_s)) - 1
    assert fewer == 0 or length_s * (1 + (fewer - 1) * (1 - OVERLAP)) < duration_s * (1 + 1e-9)


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(60, [(0, 60)]), (110, [(0, 60), (50, 110)]), (0, [(0, 0)]), (12, [(0, 12)])]
)
def test_windows_by_hand(duration_s: float, expected: list[tuple[float, float]]) -> None:
    assert np.allclose(windows(duration_s, 60), expected)


def test_none_is_one_window() -> None:
    assert list(segment(Path("unread"), 5000.0, "none")) == [(0.0, 5000.0)]


@given(st.lists(st.floats(0, 100)), st.floats(2, 100))
def test_shots_tile_the_video_and_none_is_short(cuts: list[float], duration_s: float) -> None:
    found = list(shots(sorted(cuts), duration_s))
    assert found[0][0] == 0
    assert found[-1][1] == duration_s
    assert all(first[1] == second[0] for first, second in pairwise(found))
    assert all(end_s - start_s >= MIN_SHOT_S for start_s, end_s in found)


def test_cuts_far_apart_are_all_kept() -> None:
    assert list(shots([3.0, 3.2, 7.0, 9.5], 10.0)) == [(0.0, 3.0), (3.0, 7.0), (7.0, 10.0)]


def test_shots_without_the_packages_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unite_search.media.read.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="install the extra `shots`"):
        check("shots")


@pytest.mark.parametrize("length_s", [0, -1.0, float("nan")])
def test_a_length_must_be_positive(length_s: float) -> None:
    with pytest.raises(ValueError, match="expected a length in seconds above 0"):
        check(length_s)
    check("none")
    check(0.5)


def test_shots_are_found_and_long_ones_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scenedetect")
    monkeypatch.setattr("unite_search.media.read.MAX_SHOT_S", 4.0)
    colours = (RED, GREEN, BLUE, BLUE, BLUE)
    frames = [np.full((48, 64, 3), colour, np.uint8) for colour in colours for _ in range(30)]
    path = write_clip(tmp_path / "a.mp4", frames)
    expected = [(0, 3), (3, 6), (6, 10), (10, 14), (14, 15)]
    assert np.allclose(list(segment(path, 15.0, "shots")), expected, atol=0.2)
