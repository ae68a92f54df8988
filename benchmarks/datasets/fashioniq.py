"""FashionIQ: a photo of a garment and the differences must find another garment, in up to three categories.

Layout: `captions/cap.{category}.{split}.json`, `image_splits/split.{category}.{split}.json`, photos `images/{id}.png`
or `.jpg`. The two captions of a pair are joined as "c1 and c2", as CoVR does. Each category has a gallery of its own.
Source: XiaoxiaoGuo/fashion-iq; lucas-ventura/CoVR src/data/fashioniq.py.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets.annotations import find_file, read_json, read_json_rows
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question

COLUMNS = ("target", "candidate", "captions")
CATEGORIES = ("dress", "shirt", "toptee")
SPLIT = "val"
EXTENSIONS = (".png", ".jpg", ".jpeg")


def load(folder: Path) -> Dataset:
    """Read all categories that the folder has.

    Raises:
        DatasetError: it has none, or a file has another form.
    """
    parts = [_category(folder, category) for category in CATEGORIES if _captions(folder, category)]
    if not parts:
        raise DatasetError(f"{folder} has no captions/cap.{CATEGORIES[0]}.{SPLIT}.json, nor of another category")
    return Dataset(
        name="fashioniq",
        questions=tuple(question for questions, _ in parts for question in questions),
        gallery=tuple(entry for _, gallery in parts for entry in gallery),
    )


def _captions(folder: Path, category: str) -> Path | None:
    names = (f"captions/cap.{category}.{SPLIT}.json", f"cap.{category}.{SPLIT}.json")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _category(folder: Path, category: str) -> tuple[list[Question], list[Entry]]:
    captions = _captions(folder, category) or folder
    split = f"split.{category}.{SPLIT}.json"
    ids = read_json(find_file(folder, f"image_splits/{split}", split))
    gallery = [
        Entry(id=f"{category}/{name}", media=Media(_photo(folder, name), "image"), group=category) for name in ids
    ]
    known = {entry.id for entry in gallery}
    questions = []
    for number, row in enumerate(read_json_rows(captions, COLUMNS)):
        target, reference = f"{category}/{row['target']}", f"{category}/{row['candidate']}"
        if target not in known:
            raise DatasetError(f"{captions}, row {number + 1}: target {row['target']} is not in {split}")
        questions.append(
            Question(
                id=f"{category}-{number}",
                media=Media(_photo(folder, row["candidate"]), "image"),
                text=" and ".join(row["captions"]),
                relevant={target: 1.0},
                reference=reference if reference in known else None,
                group=category,
            )
        )
    return questions, gallery


def _photo(folder: Path, name: str) -> Path:
    places = [folder / "images" / f"{name}{extension}" for extension in EXTENSIONS]
    return next((place for place in places if place.is_file()), places[0])
