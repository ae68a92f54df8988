"""CIRR: a photo and an edit must find another photo, among all of the split and among six similar ones.

Layout: `captions/cap.rc2.{split}.json`, `image_splits/split.rc2.{split}.json`, and the photos at the paths that the
latter gives. The answers of the test split are not published: `submission` makes the files for its server.
Source: Cuberick-Orion/CIRR, README and Test-split_server.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.datasets.annotations import find_file, read_json, read_json_rows
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question

COLUMNS = ("pairid", "reference", "caption", "img_set")
SPLITS = ("val", "test1")
DEPTHS = {"recall": 50, "recall_subset": 3}


def load(folder: Path) -> Dataset:
    """Read `val`, or else `test1`.

    Raises:
        DatasetError: a file is missing or has another form, or names a photo that the split does not have.
    """
    captions = find_file(folder, *(f"{place}cap.rc2.{split}.json" for split in SPLITS for place in ("captions/", "")))
    split = captions.name.split(".")[2]
    paths = read_json(find_file(folder, f"image_splits/split.rc2.{split}.json", f"split.rc2.{split}.json"))
    photos = {name: Media(_photo(folder, place), "image") for name, place in paths.items()}
    return Dataset(
        name="cirr",
        questions=tuple(_question(row, photos, captions) for row in read_json_rows(captions, COLUMNS)),
        gallery=tuple(Entry(id=name, media=photo) for name, photo in photos.items()),
    )


def submission(rankings: Mapping[str, Sequence[str]], metric: str) -> str:
    """Return the JSON for the test server.

    Args:
        rankings: names of photos, best first, by query id; for `recall_subset` only those of the image set.
        metric: `recall` or `recall_subset`.
    """
    best = {pair: list(names[: DEPTHS[metric]]) for pair, names in rankings.items()}
    return json.dumps({"version": "rc2", "metric": metric, **best})


def _photo(folder: Path, place: str) -> Path:
    """Return the photo in the folder `images`, as in some archives, or else the path that the split file gives."""
    inside = folder / "images" / place
    return inside if inside.is_file() else folder / place


def _question(row: Mapping[str, Any], photos: Mapping[str, Media], captions: Path) -> Question:
    if not isinstance(row["img_set"], dict) or "members" not in row["img_set"]:
        raise DatasetError(f"{captions}: pair {row['pairid']} has no img_set.members")
    target = row.get("target_hard")
    named = [row["reference"], *row["img_set"]["members"], *([target] if target else [])]
    if unknown := [name for name in named if name not in photos]:
        raise DatasetError(f"{captions}: pair {row['pairid']} names {unknown[0]}, which the split does not have")
    return Question(
        id=str(row["pairid"]),
        media=photos[row["reference"]],
        text=row["caption"],
        relevant={target: 1.0} if target else {},
        reference=row["reference"],
        subset=tuple(name for name in row["img_set"]["members"] if name != row["reference"]),
    )
