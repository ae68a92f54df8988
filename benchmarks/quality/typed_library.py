"""Write a library as a person has it: photos with the names of cameras, clips, captions, keywords, notes and copies.

What is written is in `data/typed-queries.json`: folders, names, captions, keywords and notes in words of our own. The
photos are those of the dev split, by their number, and the clips are those of `videos/`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

from benchmarks.common.photos import read_clips, read_photos

PHOTOS_PER_DAY = 20
FIRST_NUMBER = {"IMG_": 142, "DSC": 1201}
DIGITS = {"IMG_": 4, "DSC": 5}
QUALITY = 70
"""JPEG quality of smaller copies, as messengers make them."""


def write_library(folder: Path, data: Path, plan: Mapping[str, Any]) -> None:
    """Write the library into a new folder `library`, and the pictures to ask with beside it.

    Args:
        folder: an existing folder.
        data: folder that holds `captioned/` and `videos/`.
        plan: content of `data/typed-queries.json`.
    """
    library = folder / "library"
    photos = [photo.path for photo in read_photos(data, "dev")]
    for entry in plan["named"]:
        _write_named(library, photos[entry["photo"]], entry)
    _write_burst(library, photos[plan["burst"]["photo"]], plan["burst"])
    taken = {entry["photo"] for entry in plan["named"]} | {plan["burst"]["photo"]}
    rest = [photo for number, photo in enumerate(photos) if number not in taken]
    for path, photo, day in _places(plan["folders"], rest):
        _copy(photo, library / path, day)
    for number, clip in enumerate(read_clips(data), start=101):
        _copy(clip.path, library / "Clips" / f"MVI_{number:04}{clip.path.suffix}")
    for name, text in plan["notes"].items():
        _write(library / name, text + "\n")
    for entry in plan["copies"]:
        _write_copy(library / entry["of"], library / entry["path"], entry.get("pixels"))
    for entry in plan["outside"]:
        _write_copy(photos[entry["photo"]], folder / entry["path"], entry.get("pixels"))


def _places(folders: Sequence[Mapping[str, str]], photos: Sequence[Path]) -> Iterator[tuple[str, Path, datetime]]:
    """Yield path, photo and day: the photos in order, in folders of equal size, numbered on by each camera."""
    size = -(-len(photos) // len(folders))
    next_number = dict(FIRST_NUMBER)
    for number, photo in enumerate(photos):
        folder, camera = folders[number // size], folders[number // size]["camera"]
        name = f"{camera}{next_number[camera]:0{DIGITS[camera]}}{photo.suffix}"
        next_number[camera] += 1
        first = datetime.fromisoformat(folder["first_day"]).replace(hour=12, tzinfo=timezone.utc)
        yield f"{folder['name']}/{name}", photo, first + timedelta(days=number % size // PHOTOS_PER_DAY)


def _write_named(library: Path, photo: Path, entry: Mapping[str, Any]) -> None:
    path = library / entry["path"]
    _copy(photo, path)
    if "caption" in entry:
        _write(path.with_suffix(".txt"), entry["caption"] + "\n")
    if "keywords" in entry:
        _write(path.with_suffix(".json"), json.dumps({"keywords": entry["keywords"]}) + "\n")


def _write_burst(library: Path, photo: Path, burst: Mapping[str, Any]) -> None:
    """Write frames as a camera takes them at once: each a little aside and a little brighter than the last."""
    for number in range(burst["frames"]):
        path = library / burst["path"].format(number=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photo) as image:
            frame = image.crop((number, number, image.width - 4 + number, image.height - 4 + number))
            ImageEnhance.Brightness(frame).enhance(1 + 0.01 * number).save(path, quality=92)


def _write_copy(source: Path, path: Path, pixels: int | None) -> None:
    """Copy a photo as it is, or make a smaller copy whose longer side has some pixels."""
    if pixels is None:
        _copy(source, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image.thumbnail((pixels, pixels))
        image.save(path, quality=QUALITY)


def _copy(source: Path, path: Path, day: datetime | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path)
    if day is not None:
        os.utime(path, (day.timestamp(), day.timestamp()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
