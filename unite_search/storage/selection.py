"""The selection of items by path, id and condition, as one SQL expression over the columns of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from unite_search.media.uri import absolute, path_to_uri, prefixes_below


def any_of(paths: Sequence[str | PathLike[str]], ids: Sequence[int], where: str | None) -> str:
    """Return SQL that matches items below a path, with one of the ids, or for which the condition holds.

    Raises:
        ValueError: nothing is selected.
    """
    conditions = [_below(absolute(Path(path).expanduser())) for path in paths]
    conditions += [f"id IN ({', '.join(str(int(id_)) for id_ in ids)})"] if ids else []
    conditions += [f"({where})"] if where else []
    if not conditions:
        raise ValueError('no items named: give paths, ids or a filter; the filter "true" selects all')
    return " OR ".join(conditions)


def all_of(conditions: Sequence[str | None]) -> str | None:
    """Return SQL that matches items for which all of the conditions hold; None stands for no condition."""
    return " AND ".join(f"({condition})" for condition in conditions if condition) or None


def _below(path: Path) -> str:
    """Return SQL that matches a file, or everything below a folder."""
    starts = (f"starts_with(uri, '{quoted(prefix)}')" for prefix in prefixes_below(path))
    return f"(uri = '{quoted(path_to_uri(path))}' OR {' OR '.join(starts)})"


def quoted(text: str) -> str:
    """Return a text as it stands between the quotation marks of a SQL literal."""
    return text.replace("'", "''")
