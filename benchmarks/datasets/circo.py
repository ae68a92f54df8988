"""CIRCO: a photo and an edit must find all matching photos, among the 123,403 of COCO unlabeled 2017.

Layout: `annotations/val.json` (or `val.json`), photos `unlabeled2017/{id:012}.jpg`. With COCO's own list,
`annotations/image_info_unlabeled2017.json`, the gallery is the published one; otherwise it is every photo that the
annotations name or that is in the folder.
Source: miccunifi/CIRCO, README and src/dataset.py.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets.annotations import find_file, read_json, read_json_rows
from benchmarks.datasets.dataset import Dataset, Entry, Media, Question

COLUMNS = ("id", "reference_img_id", "relative_caption")
IMAGE_INFO = "image_info_unlabeled2017.json"
PHOTOS = ("unlabeled2017", "COCO2017_unlabeled/unlabeled2017", "images")


def load(folder: Path) -> Dataset:
    """Read `val`, or else `test`, whose answers are not published.

    Raises:
        DatasetError: neither file exists, or one has another form.
    """
    rows = read_json_rows(find_file(folder, "annotations/val.json", "val.json", "annotations/test.json"), COLUMNS)
    photos = next((folder / name for name in PHOTOS if (folder / name).is_dir()), folder / PHOTOS[0])
    questions = tuple(
        Question(
            id=str(row["id"]),
            media=_media(photos, row["reference_img_id"]),
            text=row["relative_caption"],
            relevant={str(image): 1.0 for image in row.get("gt_img_ids", ())},
            reference=str(row["reference_img_id"]),
        )
        for row in rows
    )
    named = {int(image) for row in rows for image in (row["reference_img_id"], *row.get("gt_img_ids", ()))}
    gallery = tuple(Entry(id=str(image), media=_media(photos, image)) for image in _gallery(folder, photos, named))
    return Dataset(name="circo", questions=questions, gallery=gallery)


def _gallery(folder: Path, photos: Path, named: set[int]) -> list[int]:
    for info in (folder / "annotations" / IMAGE_INFO, folder / IMAGE_INFO, photos.parent / "annotations" / IMAGE_INFO):
        if info.is_file():
            return [int(image["id"]) for image in read_json(info)["images"]]
    there = {int(path.stem) for path in photos.glob("*.jpg") if path.stem.isdecimal()} if photos.is_dir() else set()
    return sorted(named | there)


def _media(photos: Path, image: int) -> Media:
    return Media(photos / f"{int(image):012}.jpg", "image")
