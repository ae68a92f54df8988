from __future__ import annotations

import json
from pathlib import Path

from toy import ToyEncoder

from benchmarks.system import index_stages


def test_every_stage_of_every_picture_is_timed(media: Path) -> None:
    pictures = sorted(media.glob("*.png"))
    found = index_stages._stages(pictures, ToyEncoder())
    assert (found["files"], found["items"]) == (len(pictures), len(pictures))
    assert list(found["cpu_ms_per_item"]) == ["scan", "decode", "encode", "commit", "partitions"]
    assert min(found["cpu_ms_per_item"].values()) > 0, "a stage that was not timed"
    assert json.dumps(found)
