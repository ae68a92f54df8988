"""The benchmark of copies, on drawn photos and a drawn clip: the same pixels are always found, others never."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from drawn_media import write_clip
from PIL import Image
from toy import ToyEncoder

from benchmarks.quality import copies


def drawn(seed: int, side: int = 128) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def test_what_is_taken_for_a_copy_is_counted(tmp_path: Path) -> None:
    photos, videos = tmp_path / "captioned", tmp_path / "videos"
    photos.mkdir()
    videos.mkdir()
    for number in range(4):
        drawn(number).save(photos / f"{number}.png")
    write_clip(videos / "still.mp4", [np.asarray(drawn(9))] * 60)
    entries = [{"path": f"{number}.png", "text": ["a"], "split": "dev"} for number in range(4)]
    (photos / "manifest.jsonl").write_text("\n".join(map(json.dumps, entries)))
    (videos / "manifest.jsonl").write_text(json.dumps({"path": "still.mp4", "text": "a"}))
    found = copies.run(tmp_path, ToyEncoder())
    assert (found["photos"], found["clips"]) == (4, 1)
    for judged in found["hashes"].values():
        assert judged["different_pairs"] == 6
        rows = judged["taken_for_copies"]
        assert [row for row in rows if row["most_bits"] == 8 and (row["different"], row["mirrored"]) != (0, 0)] == []
        assert all(row["png"] == row["2 s later"] == 1 for row in rows)
        assert all(0 <= row[kind] <= 1 for row in rows for kind in copies.KINDS)
