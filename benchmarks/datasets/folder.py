"""Any folder with queries, corpus and qrels, as BEIR stores them, with pictures and clips where there are any.

Layout: `queries.jsonl` and `corpus.jsonl` with `_id` (or `id`) and one or more of `text`, `image`, `video`; the last
two are paths relative to the folder. A corpus `title` goes before its text. `qrels/{split}.tsv` has a header and
query-id, corpus-id, score; scores of 0 are not relevant. Only queries with qrels are asked.
Source: beir-cellar/beir, beir/datasets/data_loader.py.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from benchmarks.datasets.annotations import Row, find_file, read_json_lines, read_table
from benchmarks.datasets.base import Dataset, DatasetError, Entry, Media, Question

QRELS = ("query-id", "corpus-id", "score")
PARTS = ("text", "image", "video")


def load(folder: Path) -> Dataset:
    """Read the `test` qrels, else `dev`, else the first there are.

    Raises:
        DatasetError: a file is missing or has another form, or qrels name what is not there.
    """
    corpus = find_file(folder, "corpus.jsonl")
    queries = find_file(folder, "queries.jsonl")
    gallery = tuple(
        Entry(id=_id(row, corpus), media=_media(folder, row), text=_text(row, corpus))
        for row in read_json_lines(corpus, ())
    )
    known = {entry.id for entry in gallery}
    table = find_file(folder, "qrels/test.tsv", "qrels/dev.tsv", "qrels/*.tsv", "qrels.tsv")
    relevant = _relevant(table, known)
    rows = {_id(row, queries): row for row in read_json_lines(queries, ())}
    if unknown := [query for query in relevant if query not in rows]:
        raise DatasetError(f"{table} names the query {unknown[0]}, which {queries.name} does not have")
    questions = tuple(
        Question(
            id=query,
            media=_media(folder, rows[query]),
            text=_text(rows[query], queries),
            relevant=right,
            reference=query if query in known else None,
        )
        for query, right in relevant.items()
    )
    return Dataset(name="folder", questions=questions, gallery=gallery)


def _relevant(table: Path, known: set[str]) -> dict[str, dict[str, float]]:
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    for number, row in enumerate(read_table(table, QRELS, delimiter="\t")):
        query, candidate, score = (row[column] for column in QRELS)
        try:
            grade = float(score)
        except ValueError as error:
            raise DatasetError(f"{table}, row {number + 1}: score is {score!r}; expected a number") from error
        if candidate not in known:
            raise DatasetError(f"{table}, row {number + 1} names {candidate}, which the corpus does not have")
        if grade > 0:
            relevant[query][candidate] = grade
    return dict(relevant)


def _id(row: Row, path: Path) -> str:
    for column in ("_id", "id"):
        if column in row:
            return str(row[column])
    raise DatasetError(f"{path}: a row has no _id; it has {', '.join(row)}")


def _text(row: Row, path: Path) -> str | None:
    if not any(row.get(part) for part in PARTS):
        raise DatasetError(f"{path}: {_id(row, path)} has none of {', '.join(PARTS)}")
    return " ".join(part for part in (row.get("title"), row.get("text")) if part) or None


def _media(folder: Path, row: Row) -> Media | None:
    if row.get("video"):
        return Media(folder / row["video"], "video")
    return Media(folder / row["image"], "image") if row.get("image") else None
