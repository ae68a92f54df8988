"""Read annotation files and check their rows; errors name the file and the row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.datasets.dataset import DatasetError

Row = Mapping[str, Any]


def find_file(folder: Path, *names: str) -> Path:
    """Return the first of several relative names that exists, since published archives differ in their folders.

    Raises:
        DatasetError: none exists; the message lists all names.
    """
    for name in names:
        found = sorted(folder.glob(name)) if "*" in name else [folder / name]
        if found and found[0].is_file():
            return found[0]
    raise DatasetError(f"{folder} has no {' and no '.join(names)}")


def read_json_rows(path: Path, columns: Iterable[str]) -> list[Row]:
    """Read a JSON list of objects.

    Raises:
        DatasetError: the file is not such a list, or a row lacks a column.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f"{path} holds a {type(content).__name__}; expected a list of objects")
    return [_checked(row, columns, path, number) for number, row in enumerate(content)]


def read_json(path: Path) -> Any:
    """Read any JSON file.

    Raises:
        DatasetError: the file cannot be parsed.
    """
    return _parsed(path.read_text(encoding="utf-8"), path)


def read_json_lines(path: Path, columns: Iterable[str]) -> list[Row]:
    """Read a file with one JSON object per line; empty lines are skipped.

    Raises:
        DatasetError: a line is not a JSON object, or lacks a column.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [_checked(_parsed(line, path, number), columns, path, number) for number, line in enumerate(lines)]


def read_table(path: Path, columns: Iterable[str], *, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV or TSV file with a header; columns besides the required ones are kept.

    Raises:
        DatasetError: a column is missing, or a row has fewer cells than the header.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter)
        header = list(reader.fieldnames or ())
        if missing := [column for column in columns if column not in header]:
            raise DatasetError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(header)}")
        rows = list(reader)
    for number, row in enumerate(rows):
        if any(row[column] is None for column in columns):
            raise DatasetError(f"{path}, row {number + 1}: fewer cells than the header has columns")
    return rows


def _parsed(text: str, path: Path, number: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = "" if number is None else f", line {number + 1}"
        raise DatasetError(f"{path}{where} is not JSON: {error}") from error


def _checked(row: Any, columns: Iterable[str], path: Path, number: int) -> Row:
    if not isinstance(row, dict):
        raise DatasetError(f"{path}, row {number + 1}: a {type(row).__name__}; expected an object")
    if missing := [column for column in columns if column not in row]:
        raise DatasetError(f"{path}, row {number + 1} has no {', '.join(missing)}; it has {', '.join(row)}")
    return row
