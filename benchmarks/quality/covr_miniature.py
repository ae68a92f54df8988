"""A miniature of WebVid-CoVR: 77 real clips, 82 edits written by hand from their captions, both protocols.

It shows that the evaluation runs, and how much each rule changes the numbers on these clips; they are not comparable
with those of the public set. The table has names and texts only, in the published columns; its `scores` are empty,
because nobody scored these frames, so all frames have the same weight.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality.evaluation import EvaluationRun, measure
from benchmarks.quality.protocol import presets
from unite_search.encoders.base import Encoder

TABLE = Path(__file__).with_name("data") / "webvid-covr-miniature.csv"
SET = "webvid-covr"


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Evaluate with each protocol, and with each again with the query's own clip in the gallery.

    Args:
        data: the folder that holds `videos/`.
        encoder: the encoder to measure; it must take clips, alone and with a text.
    """
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(data / "videos", folder / "set")
        for name, protocol in presets(SET).items():
            for suffix, rule in (("", protocol), (" include-self", replace(protocol, self_match="included"))):
                given = EvaluationRun(
                    dataset=SET, data=folder / "set", protocol=rule, out=folder / f"{name}{suffix}", cache=folder
                )
                measured = measure(given, encoder)
                found[f"{name}{suffix}"] = None if measured is None else measured.results
    return found


def lay_out(clips: Path, folder: Path) -> None:
    """Create the published layout in an empty folder: the table, and symbolic links to the clips."""
    (folder / "videos").mkdir(parents=True)
    shutil.copy(TABLE, folder / "webvid8m-covr_test.csv")
    for clip in clips.iterdir():
        if clip.suffix != ".jsonl":
            (folder / "videos" / clip.name).symlink_to(clip.absolute())
