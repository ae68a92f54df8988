"""MMEB eval: one folder per task; each query has its own list of candidates, the first of which is right.

Layout: `{task}/test-*.parquet` (or the folder of one task) with qry_text, qry_img_path, tgt_text, tgt_img_path, and in
newer copies qry_inst and tgt_inst; pictures at those paths in the folder, in `images/`, or in `eval_images/`. The
instructions are part of the texts, as published; the placeholders `<|image_1|>` are removed. Each task is a group: its
gallery is all candidates of the task, and the published number is that of the query's own list, `Rsubset@1`.
Source: TIGER-AI-Lab/VLM2Vec, evaluation of the hub's TIGER-Lab/MMEB-eval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.datasets.annotations import Row
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question
from benchmarks.datasets.parquet import read_parquet_rows

COLUMNS = ("qry_text", "qry_img_path", "tgt_text", "tgt_img_path")
PARTS = ("test-*.parquet", "test/*.parquet")
PLACES = (".", "images", "eval_images", "..", "../images", "../eval_images")
PROBED = 100
"""Number of pictures that are looked for in each of `PLACES`."""
PLACEHOLDER = re.compile(r"<\|image_\d+\|>\s*")

Candidate = tuple[str, str]
"""The text and the picture's path of a candidate; either may be empty."""


def load(folder: Path) -> Dataset:
    """Read all tasks that the folder has.

    Raises:
        DatasetError: it has none, or a file has other columns.
    """
    tasks = [(place, parts) for place in (folder, *_folders(folder)) if (parts := _parts(place))]
    if not tasks:
        raise DatasetError(f"{folder} has no test-*.parquet, nor a folder with one")
    read = [_task(folder, place.resolve().name, parts) for place, parts in tasks]
    return Dataset(
        name="mmeb",
        questions=tuple(question for questions, _ in read for question in questions),
        gallery=tuple(entry for _, gallery in read for entry in gallery),
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir())


def _parts(place: Path) -> list[Path]:
    return next((found for pattern in PARTS if (found := sorted(place.glob(pattern)))), [])


def _task(folder: Path, task: str, parts: Sequence[Path]) -> tuple[list[Question], list[Entry]]:
    rows = list(read_parquet_rows(parts, COLUMNS))
    place = _place(folder, rows)
    names: dict[Candidate, str] = {}
    questions = []
    for number, row in enumerate(rows):
        candidates = [names.setdefault(pair, f"{task}/{len(names)}") for pair in _candidates(row, parts[0], number)]
        questions.append(
            Question(
                id=f"{task}-{number}",
                media=_media(place, row["qry_img_path"]),
                text=_text(row.get("qry_inst"), row["qry_text"]) or None,
                relevant={candidates[0]: 1.0},
                subset=tuple(dict.fromkeys(candidates)),
                group=task,
            )
        )
    gallery = [
        Entry(id=name, media=_media(place, picture), text=text or None, group=task)
        for (text, picture), name in names.items()
    ]
    return questions, gallery


def _candidates(row: Row, path: Path, number: int) -> Iterator[Candidate]:
    texts, pictures = _listed(row["tgt_text"]), _listed(row["tgt_img_path"])
    if not texts or len(texts) != len(pictures):
        raise DatasetError(f"{path}, row {number + 1}: {len(texts)} tgt_text and {len(pictures)} tgt_img_path")
    for text, picture in zip(texts, pictures, strict=True):
        yield _text(row.get("tgt_inst"), text), picture or ""


def _listed(cell: str | list[str] | None) -> list[str]:
    return [cell or ""] if cell is None or isinstance(cell, str) else cell


def _text(instruction: str | None, text: str | None) -> str:
    return PLACEHOLDER.sub("", f"{instruction or ''} {text or ''}").strip()


def _media(place: Path, path: str | None) -> Media | None:
    return Media(place / path, "image") if path else None


def _place(folder: Path, rows: Sequence[Row]) -> Path:
    """Find the folder of the pictures, which differs between copies of the data set."""
    named = (path for row in rows for path in (row["qry_img_path"], *_listed(row["tgt_img_path"])) if path)
    probed = list(islice(named, PROBED))
    places = [folder / place for place in PLACES]
    return next((place for place in places if any((place / path).is_file() for path in probed)), places[0])
