"""WebVid-CoVR in small: 77 real clips, 82 edits written by hand from their captions, CoVR's and UNITE's rules.

It shows that the evaluation runs, and what each rule is worth on these clips; its numbers are not comparable with those
of the public set. The table holds names and texts only, in the published columns; its `scores` are empty, because
nobody scored these frames, so that frames weigh the same.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality.evaluation import Run, measure
from benchmarks.quality.protocol import presets
from unite_search.encoders.base import Encoder

TABLE = Path(__file__).with_name("data") / "webvid-covr-miniature.csv"
SET = "webvid-covr"


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Evaluate under every preset, and under each with the query's own clip in the gallery.

    Args:
        data: the folder that holds `videos/`.
        encoder: embeds clips, and clips with a text.
    """
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(data / "videos", folder / "set")
        for name, protocol in presets(SET).items():
            for suffix, rule in (("", protocol), (" include-self", replace(protocol, self_match="included"))):
                given = Run(
                    dataset=SET, data=folder / "set", protocol=rule, out=folder / f"{name}{suffix}", cache=folder
                )
                measured = measure(given, encoder)
                found[f"{name}{suffix}"] = None if measured is None else measured.results
    return found


def lay_out(clips: Path, folder: Path) -> None:
    """Make the published layout in an empty folder: the table, and links to the clips."""
    (folder / "videos").mkdir(parents=True)
    shutil.copy(TABLE, folder / "webvid8m-covr_test.csv")
    for clip in clips.iterdir():
        if clip.suffix != ".jsonl":
            (folder / "videos" / clip.name).symlink_to(clip.absolute())
