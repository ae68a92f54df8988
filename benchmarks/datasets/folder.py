"""Any folder with queries, corpus and qrels in the layout of BEIR and mteb, optionally with pictures and clips.

Layout: `queries.jsonl` and `corpus.jsonl` with `_id` (or `id`) and one or more of `text`, `image`, `video`; the last
two are paths relative to the folder. The `title` of a corpus row is put before its text. `qrels/{split}.tsv` has a
header and query-id, corpus-id, score; candidates with score 0 are not relevant. Queries without qrels are left out. On
the hub the three are folders of parquet files, which contain the pictures; ids may be called `query-id` and
`corpus-id`, and a query's text `query`.
Source: beir-cellar/beir, beir/datasets/data_loader.py; embeddings-benchmark/mteb, the sets of its retrieval tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from pathlib import Path

from benchmarks.datasets.annotations import Row, find_file, read_json_lines, read_table
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question
from benchmarks.datasets.parquet import read_parquet_rows

QRELS = ("query-id", "corpus-id", "score")
SPLITS = ("qrels/test", "default/test", "qrels/dev", "default/dev", "qrels/")
"""Parquet files of qrels, the usual one first."""
IDS = ("_id", "id", "corpus-id", "query-id")
TEXTS = ("text", "query")
PARTS = (*TEXTS, "image", "video")


def load(folder: Path) -> Dataset:
    """Read the folder with its `test` qrels, else `dev`, else the first that exist.

    Raises:
        DatasetError: a file is missing or has another form, or qrels name a query or candidate that does not exist.
    """
    gallery = tuple(
        Entry(id=_id(row, place), media=_media(folder, row), text=_text(row, place))
        for place, row in _rows(folder, "corpus")
    )
    known = {entry.id: entry for entry in gallery}
    rows = {_id(row, place): (place, row) for place, row in _rows(folder, "queries")}
    qrels, judgements = _judgements(folder)
    relevant = _relevant(qrels, judgements, known)
    if unknown := [query for query in relevant if query not in rows]:
        raise DatasetError(f"{qrels} names the query {unknown[0]}, which the queries do not have")
    questions = tuple(
        _question(folder, query, *rows[query], right, known.get(query)) for query, right in relevant.items()
    )
    return Dataset(name="folder", questions=questions, gallery=gallery)


def _rows(folder: Path, name: str) -> Iterable[tuple[Path, Row]]:
    """Read the rows of the corpus or of the queries, each with the file to name in error messages."""
    if parts := sorted((folder / name).glob("*.parquet")):
        return ((parts[0], row) for row in read_parquet_rows(parts, (), pictures="image"))
    path = find_file(folder, f"{name}.jsonl")
    return ((path, row) for row in read_json_lines(path, ()))


def _judgements(folder: Path) -> tuple[Path, Iterable[Row]]:
    for split in SPLITS:
        if parts := sorted(folder.glob(f"{split}*.parquet")):
            return parts[0], read_parquet_rows(parts, QRELS)
    path = find_file(folder, "qrels/test.tsv", "qrels/dev.tsv", "qrels/*.tsv", "qrels.tsv")
    return path, read_table(path, QRELS, delimiter="\t")


def _relevant(path: Path, rows: Iterable[Row], known: Container[str]) -> dict[str, dict[str, float]]:
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    for number, row in enumerate(rows):
        query, candidate, score = (str(row[column]) for column in QRELS)
        try:
            grade = float(score)
        except ValueError as error:
            raise DatasetError(f"{path}, row {number + 1}: score is {score!r}; expected a number") from error
        if candidate not in known:
            raise DatasetError(f"{path}, row {number + 1} names {candidate}, which the corpus does not have")
        if grade > 0:
            relevant[query][candidate] = grade
    return dict(relevant)


def _question(
    folder: Path, query: str, path: Path, row: Row, relevant: dict[str, float], namesake: Entry | None
) -> Question:
    """Build a query; the candidate with the same id is its reference if it has the same content.

    In ArguAna queries are also candidates; elsewhere ids may be numbers, and equal ids mean nothing.
    """
    media, text = _media(folder, row), _text(row, path)
    is_same = namesake is not None and media == namesake.media and (namesake.text or "").endswith(text or "")
    return Question(id=query, media=media, text=text, relevant=relevant, reference=query if is_same else None)


def _id(row: Row, path: Path) -> str:
    for column in IDS:
        if column in row:
            return str(row[column])
    raise DatasetError(f"{path}: a row has no _id; it has {', '.join(row)}")


def _text(row: Row, path: Path) -> str | None:
    if not any(row.get(part) for part in PARTS):
        raise DatasetError(f"{path}: {_id(row, path)} has none of {', '.join(PARTS)}")
    text = next((row[column] for column in TEXTS if row.get(column)), None)
    return " ".join(part for part in (row.get("title"), text) if part) or None


def _media(folder: Path, row: Row) -> Media | None:
    if row.get("video"):
        return Media(folder / row["video"], "video")
    return Media(folder / row["image"], "image") if row.get("image") else None
