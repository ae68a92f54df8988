"""ViDoRe: a question must find the scanned page that answers it.

Layout: `data/test-*.parquet` (or `test-*.parquet`) with query, image, image_filename, one row per page; a page without
a question has a null query. A question in several rows is one query, and its last row is the right one, as in the
authors' evaluator. Data sets in BEIR's layout (`corpus/`, `queries/`, `qrels/`) are read by `folder`.
Source: illuin-tech/vidore-benchmark, evaluation/vidore_evaluators/vidore_evaluator_qa.py.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets import folder as triple
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question
from benchmarks.datasets.parquet import read_parquet_rows

COLUMNS = ("query", "image", "image_filename")
PARTS = ("data/test-*.parquet", "test-*.parquet")


def load(folder: Path) -> Dataset:
    """Read the test split.

    Raises:
        DatasetError: there is none, or it has other columns.
    """
    parts = next((found for pattern in PARTS if (found := sorted(folder.glob(pattern)))), None)
    if parts is None:
        return _beir(folder)
    pages: dict[str, Path | None] = {}
    right: dict[str, str] = {}
    for row in read_parquet_rows(parts, COLUMNS, pictures="image"):
        pages.setdefault(row["image_filename"], row["image"])
        if row["query"] is not None:
            right[row["query"]] = row["image_filename"]
    return Dataset(
        name="vidore",
        questions=tuple(
            Question(id=str(number), text=query, relevant={page: 1.0})
            for number, (query, page) in enumerate(right.items())
        ),
        gallery=tuple(Entry(id=name, media=Media(page, "image")) for name, page in pages.items() if page is not None),
    )


def _beir(folder: Path) -> Dataset:
    if not (folder / "corpus").is_dir():
        raise DatasetError(f"{folder} has no {' and no '.join(PARTS)}, and no corpus/*.parquet")
    return triple.load(folder)
