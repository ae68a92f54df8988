"""WebVid-CoVR: a clip and an edit in words must find another clip.

Layout: `webvid8m-covr_test.csv` (or another `*covr*.csv`) with the columns txt1, txt2, pth1, pth2, edit, scores, and
the clips as `<anything>/{pth}.mp4`, as in WebVid, or with another extension.
Source: lucas-ventura/CoVR src/data/webvid_covr.py; the CSV files are on the hub under lucas-ventura/WebVid-CoVR.
"""

from __future__ import annotations

import ast
from pathlib import Path

from benchmarks.datasets.annotations import find_file, read_table
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question
from unite_search.media.scan import MODALITY_OF

COLUMNS = ("txt1", "txt2", "pth1", "pth2", "edit")
SCORES = "scores"
TABLES = ("webvid8m-covr_test.csv", "webvid8m-covr_val.csv", "*covr*.csv", "annotations/*covr*.csv")


def load(folder: Path) -> Dataset:
    """Read the CSV of a folder: one query per row, one candidate for each target.

    Raises:
        DatasetError: there is no such CSV, or it has other columns.
    """
    table = find_file(folder, *TABLES)
    rows = read_table(table, COLUMNS)
    clips = _clips_by_name(folder)
    scores = {row["pth2"]: _frame_scores(row.get(SCORES), table, number) for number, row in enumerate(rows)}
    gallery = tuple(Entry(id=name, media=_media(folder, clips, name, scores[name])) for name in scores)
    questions = tuple(
        Question(
            id=str(number),
            media=_media(folder, clips, row["pth1"]),
            text=row["edit"],
            relevant={row["pth2"]: 1.0},
            reference=row["pth1"] if row["pth1"] in scores else None,
        )
        for number, row in enumerate(rows)
    )
    return Dataset(name="webvid-covr", questions=questions, gallery=gallery)


def _clips_by_name(folder: Path) -> dict[str, Path]:
    """Find all videos in the folder and below.

    Returns:
        Paths by folder name and file name without extension; videos in the folder itself also by file name alone.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if MODALITY_OF.get(path.suffix.lower()) == "video" or path.suffix.lower() == ".gif":
            stem = path.name.removesuffix(path.suffix)
            found.setdefault(f"{path.parent.name}/{stem}", path)
            if path.parent == folder:
                found.setdefault(stem, path)
    return found


def _media(folder: Path, clips: dict[str, Path], name: str, scores: tuple[float, ...] = ()) -> Media:
    return Media(clips.get(name, folder / f"{name}.mp4"), "video", scores)


def _frame_scores(cell: str | None, table: Path, number: int) -> tuple[float, ...]:
    if not cell:
        return ()
    try:
        return tuple(float(score) for score in ast.literal_eval(cell))
    except (ValueError, SyntaxError, TypeError) as error:
        raise DatasetError(
            f"{table}, row {number + 1}: {SCORES} is {cell[:40]!r}; expected a list of numbers"
        ) from error
