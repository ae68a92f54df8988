from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.encoders.unite.frames import UniteFrames, spread

GOLDEN = Path(__file__).parent / "golden"
LIBRARY_DEFAULTS = {"fps": 2.0, "max_frames": 768}
NTSC = 30000 / 1001


def test_the_official_table_is_reproduced() -> None:
    table = json.loads((GOLDEN / "frame_sampling.json").read_text())
    compared = 0
    for video in table["videos"].values():
        fps = NTSC if video["avg_fps"] == 29.97 else video["avg_fps"]
        times_s = np.arange(video["total_frames"]) / fps
        for name, settings in table["settings"].items():
            chosen = {key: value for key, value in settings.items() if key != "max_pixels"}
            indices = UniteFrames(**{**LIBRARY_DEFAULTS, **chosen})(times_s, 0.0, float("inf"))
            if isinstance(video[name], str):
                assert "nframes should in interval" in video[name]
                assert len(indices) % 2 == 0
                assert len(set(indices.tolist())) == len(indices)
            else:
                assert indices.tolist() == video[name]
                compared += 1
    assert compared > 40


@pytest.mark.parametrize(("count", "fps", "expected"), [(17, 1.0, 16), (7, 1.0, 6), (9, 1.0, 8), (11, 1.0, 10)])
def test_halves_round_to_even_and_never_beyond_the_frames_there_are(count: int, fps: float, expected: int) -> None:
    assert UniteFrames(fps=fps, max_frames=32).count(np.arange(count) / fps) == expected


@given(st.integers(1, 3000), st.floats(0.5, 120.0), st.floats(0.1, 10.0), st.integers(2, 64))
def test_indices_are_distinct_sorted_and_end_at_both_ends(total: int, rate: float, fps: float, most: int) -> None:
    indices = UniteFrames(fps=fps, max_frames=most)(np.arange(total) / rate, 0.0, float("inf"))
    assert (np.diff(indices) > 0).all()
    assert len(indices) <= max(2, most)
    assert indices[0] == 0
    assert indices[-1] == (total - 1 if len(indices) > 1 else 0)


def test_a_window_is_sampled_like_a_clip_of_its_own() -> None:
    times_s = np.arange(1000) / 25
    window = UniteFrames()(times_s, 10.0, 20.0)
    assert window.tolist() == (250 + UniteFrames()(np.arange(250) / 25, 0.0, float("inf"))).tolist()
    assert UniteFrames()(times_s, 100.0, 120.0).tolist() == []


def test_rounding_is_that_of_torch() -> None:
    torch: Any = pytest.importorskip("torch")
    for total in range(2, 300, 7):
        for count in range(1, min(total, 64) + 1):
            expected = torch.linspace(0, total - 1, count).round().long().tolist()
            assert spread(total, count).tolist() == expected


def test_it_travels_to_decode_workers_and_refuses_nonsense() -> None:
    assert pickle.loads(pickle.dumps(UniteFrames(fps=2.0))) == UniteFrames(fps=2.0)
    with pytest.raises(ValueError, match="fps is 0; expected more than 0"):
        UniteFrames(fps=0)
    with pytest.raises(ValueError, match="max_frames is 1; expected at least 2"):
        UniteFrames(max_frames=1)
