from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.encoders.unite.sizes import (
    CELL,
    READ_MAX_PIXELS,
    READ_MIN_PIXELS,
    PixelLimits,
    grid_of,
    smart_resize,
    tokens_of,
)

GOLDEN = Path(__file__).parent / "golden"
SIDES = st.integers(1, 20_000)


def test_the_official_table_is_reproduced() -> None:
    rows = json.loads((GOLDEN / "smart_resize.json").read_text())
    for row in rows:
        size = row["height"], row["width"]
        assert list(smart_resize(size, READ_MIN_PIXELS, READ_MAX_PIXELS)) == row["fetch_image_default"]
        assert list(PixelLimits().processed_size(size)) == row["processor"]
        assert list(PixelLimits(frame_pixels=360 * 420).frame_steps(size)[0]) == row["fetch_video_demo"]
        height, width = row["fetch_video_dataset"]
        assert PixelLimits().frame_steps(size)[0] == (max(height, CELL), width)
    assert len(rows) >= 20


@given(SIDES, SIDES)
def test_sizes_are_whole_cells_and_keep_to_the_limits(height: int, width: int) -> None:
    first, second = PixelLimits().image_steps((height, width))
    for side in (*first, *second):
        assert side >= CELL
        assert side % CELL == 0
    if max(height, width) <= 10 * min(height, width):
        assert 256 * CELL**2 <= second[0] * second[1] <= 1280 * CELL**2
        assert second[0] / second[1] == pytest.approx(height / width, rel=0.5)


@given(SIDES, SIDES, st.integers(64 * CELL**2, 1280 * CELL**2))
def test_a_lower_limit_makes_fewer_tokens(height: int, width: int, max_pixels: int) -> None:
    limits = PixelLimits(max_pixels=max_pixels)
    for steps in (limits.image_steps, limits.frame_steps):
        size = steps((height, width))[1]
        if max(height, width) <= 4 * min(height, width):
            assert size[0] * size[1] <= max_pixels
        assert tokens_of(grid_of(1, size)) == size[0] * size[1] // CELL**2


def test_frames_are_counted_in_pairs() -> None:
    assert grid_of(12, (280, 392)) == (6, 20, 28)
    assert grid_of(5, (280, 392)) == grid_of(6, (280, 392)) == (3, 20, 28)


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="max_pixels is 100; expected at least 3136"):
        PixelLimits(max_pixels=100)
