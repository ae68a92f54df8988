"""The catalog: a LanceDB table with one row per item, the only record of what is indexed.

The table is `catalog/items.lance`; any LanceDB client opens it with `lancedb.connect(DIR / "catalog")`. It is read
and written here through `pylance`, the same engine without LanceDB's import cost. Every change is one commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Any

os.environ.setdefault("LANCE_LOG", "error")

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unite_search.errors import FilterError, UniteSearchError
from unite_search.media.uri import absolute, path_to_uri, prefixes_below
from unite_search.modality import Modality
from unite_search.storage.rows import Row, schema, to_table

TABLE = "items.lance"
KEEP_OLD_VERSIONS = timedelta(hours=1)
INDEX_FROM_ROWS = 50_000
BOUNDED_READ = {"batch_size": 8192, "batch_readahead": 2, "fragment_readahead": 1, "io_buffer_size": 1 << 26}
"""How vectors are streamed: the engine would otherwise read up to 2 GB ahead."""

STATE_COLUMNS = ("uri", "size_bytes", "mtime_ns", "content_hash", "recipe", "parent")


@dataclass(frozen=True, slots=True)
class FileState:
    """What the catalog knows of one file: enough to decide whether the file must be read again."""

    size_bytes: int
    mtime_ns: int
    content_hash: str
    recipe: str
    parent: int


@dataclass(slots=True)
class Change:
    """Rows to write and files (by parent id) to delete, in one commit. A row with a known id replaces the old one."""

    new: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    dropped_parents: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.updated or self.dropped_parents)


class Catalog:
    """A handle on one version of the table; `refresh` moves it to the newest."""

    def __init__(self, directory: Path, *, dim: int) -> None:
        self._path = str(directory / TABLE)
        self._dim = dim
        try:
            self._table = lance.dataset(self._path)
        except (ValueError, OSError) as error:
            raise UniteSearchError(f"the catalog at {directory} cannot be read: {_first_line(error)}") from error

    @classmethod
    def create(cls, directory: Path, *, dim: int) -> Catalog:
        """Create an empty table."""
        directory.mkdir(parents=True, exist_ok=True)
        lance.write_dataset(schema(dim).empty_table(), str(directory / TABLE), mode="overwrite")
        return cls(directory, dim=dim)

    @property
    def version(self) -> int:
        """The version that this handle reads."""
        return int(self._table.version)

    def refresh(self) -> None:
        """Move to the newest version."""
        self._table.checkout_latest()

    def newest(self) -> Catalog:
        """Return a handle on the newest version: this handle, if it is the newest.

        Otherwise a new handle is opened with caches of its own: shared caches would keep the pages of every version.
        """
        if self._table.latest_version == self.version:
            return self
        newer = copy(self)
        newer._table = lance.dataset(self._path)
        return newer

    def count(self, where: str | None = None) -> int:
        """Count the items, or those that match a SQL expression."""
        return int(self._table.count_rows(filter=where))

    def states(self) -> dict[str, FileState]:
        """Return what is known of every file, by uri."""
        known: dict[str, FileState] = {}
        for batch in self._table.to_batches(columns=list(STATE_COLUMNS)):
            for uri, *state in zip(*(batch.column(name).to_pylist() for name in STATE_COLUMNS), strict=True):
                known[uri] = FileState(*state)
        return known

    def files(self) -> set[tuple[str, int]]:
        """Return the distinct (uri, parent) pairs: one per file in a sound catalog."""
        table = self._table.to_table(columns=["uri", "parent"])
        return set(zip(table["uri"].to_pylist(), table["parent"].to_pylist(), strict=True))

    def ids_where(self, where: str) -> NDArray[np.int64]:
        """Return the sorted ids of the items that match a SQL expression.

        Raises:
            FilterError: the expression cannot be evaluated; the message says why and names the columns.
        """
        try:
            found = self._table.to_table(columns=["id"], filter=where)
        except (ValueError, OSError) as error:
            raise self._refusal(where, error) from error
        return np.sort(found["id"].to_numpy())

    def stream(self, columns: Sequence[str], where: str | None = None) -> Iterator[dict[str, Any]]:
        """Stream some columns of the items that match a SQL expression, in table order, one batch in memory at a time.

        Raises:
            FilterError: the expression cannot be evaluated; the message says why and names the columns.
        """
        try:
            for batch in self._table.to_batches(columns=list(columns), filter=where):
                yield from batch.to_pylist()
        except (ValueError, OSError) as error:
            raise self._refusal(where, error) from error

    def ids_of_hashes(self, hashes: Iterable[str]) -> NDArray[np.int64]:
        """Return the sorted ids of the items whose file has one of these content hashes."""
        wanted = ", ".join(f"'{content_hash}'" for content_hash in hashes)
        return self.ids_where(f"content_hash IN ({wanted})") if wanted else np.empty(0, np.int64)

    def ids_by_partition(self) -> dict[str, NDArray[np.int64]]:
        """Return the ids of every non-empty partition, by its name, in table order."""
        table = self._table.to_table(columns=["id", "partition"])
        ids, names = table["id"].to_numpy(), pc.dictionary_encode(table["partition"]).combine_chunks()
        codes = names.indices.to_numpy(zero_copy_only=False)
        return {name: ids[codes == code] for code, name in enumerate(names.dictionary.to_pylist())}

    def highest_id(self) -> int:
        """Return the greatest id, or -1 for an empty table."""
        highest = pc.max(self._table.to_table(columns=["id"])["id"]).as_py()
        return -1 if highest is None else int(highest)

    def embeddings(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Stream the vectors of the sorted `ids` as ((n,), (n, D)) batches, in table order."""
        if not len(ids):
            return
        for batch in self._table.to_batches(columns=["id", "embedding"], filter=_between(ids), **BOUNDED_READ):
            found = batch.column("id").to_numpy()
            wanted = np.isin(found, ids, assume_unique=True)
            if wanted.any():
                flat = batch.column("embedding").flatten().to_numpy(zero_copy_only=False)
                yield found[wanted], flat.reshape(-1, self._dim)[wanted].astype(np.float32)

    def table(self, ids: NDArray[np.int64]) -> pa.Table:
        """Read every column of the sorted `ids`, ordered by id."""
        found = self._table.to_table(filter=_between(ids))
        return found.filter(np.isin(found["id"].to_numpy(), ids)).sort_by("id")

    def rows(self, ids: Iterable[int], columns: Sequence[str] | None = None) -> dict[int, dict[str, Any]]:
        """Read items by id; unknown ids are left out."""
        return {row["id"]: row for row in self._select("id", ids, columns)}

    def rows_of(self, parents: Iterable[int]) -> list[dict[str, Any]]:
        """Read all items of some files, with vectors, ordered by id."""
        return sorted(self._select("parent", parents, None), key=lambda row: int(row["id"]))

    def _select(self, key: str, values: Iterable[int], columns: Sequence[str] | None) -> list[dict[str, Any]]:
        wanted = ", ".join(str(int(value)) for value in values)
        if not wanted:
            return []
        names = None if columns is None else [*{*columns, "id"}]
        found: list[dict[str, Any]] = self._table.to_table(columns=names, filter=f"{key} IN ({wanted})").to_pylist()
        return found

    def _refusal(self, where: str | None, error: Exception) -> FilterError:
        columns = ", ".join(name for name in self._table.schema.names if name != "embedding")
        renamed = "; `kind` is now `modality`" if "No field named kind" in str(error) else ""
        return FilterError(f"filter {where!r}: {_first_line(error)}{renamed} (columns: {columns})")

    def commit(self, change: Change) -> None:
        """Write a change. When this returns, it is on disk and visible to every new reader."""
        dropped = f"parent IN ({', '.join(map(str, change.dropped_parents))})" if change.dropped_parents else None
        if not (change.new or change.updated):
            if dropped:
                self._table.delete(dropped)
            return
        source = to_table(change.new + change.updated, self._dim)
        if not change.updated and not dropped:
            self._table = lance.write_dataset(source, self._table, mode="append")
            return
        merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        if dropped:
            merge = merge.when_not_matched_by_source_delete(dropped)
        merge.execute(source)
        self.refresh()

    def append(self, batches: Iterable[list[Row]]) -> None:
        """Write new rows in one commit, with one batch of them in memory at a time.

        Raises:
            UniteSearchError: a row cannot be stored, or the disk is full; nothing is written then.
        """
        failures: list[BaseException] = []  # The engine would wrap what its source raises.

        def tables() -> Iterator[pa.RecordBatch]:
            try:
                for rows in batches:
                    yield from to_table(rows, self._dim).to_batches()
            except (Exception, KeyboardInterrupt) as error:
                failures.append(error)
                raise

        source = pa.RecordBatchReader.from_batches(schema(self._dim), tables())
        try:
            self._table = lance.write_dataset(source, self._table, mode="append")
        except Exception as error:
            if failures:
                raise failures[0] from error
            raise UniteSearchError(f"the catalog at {self._path} cannot be written: {_first_line(error)}") from error

    def remove(self, where: str) -> int:
        """Delete the items that match a SQL expression; return how many.

        Raises:
            FilterError: the expression cannot be evaluated.
        """
        count = len(self.ids_where(where))
        if count:
            self._table.delete(where)
        return count

    def compact(self) -> None:
        """Merge small fragments, index the id column of large tables, and delete old versions."""
        self._table.optimize.compact_files()
        if self.count() >= INDEX_FROM_ROWS:
            if any(index.field_names == ["id"] for index in self._table.describe_indices()):
                self._table.optimize.optimize_indices()
            else:
                self._table.create_scalar_index("id", "BTREE")
        self._table.cleanup_old_versions(older_than=KEEP_OLD_VERSIONS)
        self.refresh()


def upgrade(directory: Path) -> None:
    """Convert a table of format 1, whose `modality` was a number and whose `kind` was the word for it.

    Each step looks at the columns that are there, so a conversion that was killed goes on where it stopped.
    """
    table = lance.dataset(str(directory / TABLE))
    if "kind" not in table.schema.names:
        return
    if "partition" not in table.schema.names:
        table.add_columns(_with_partition, read_columns=["modality"])
    if "modality" in table.schema.names:
        table.drop_columns(["modality"])
    table.alter_columns({"path": "kind", "name": "modality"})


def _with_partition(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = [Modality(code).partition for code in batch.column("modality").to_pylist()]
    return pa.RecordBatch.from_arrays([pa.array(names, pa.utf8())], names=["partition"])


def any_of(paths: Sequence[str | PathLike[str]], ids: Sequence[int], where: str | None) -> str:
    """Return SQL that matches items below a path, with one of the ids, or for which the condition holds.

    Raises:
        ValueError: nothing is selected.
    """
    conditions = [_below(absolute(Path(path).expanduser())) for path in paths]
    conditions += [f"id IN ({', '.join(str(int(id_)) for id_ in ids)})"] if ids else []
    conditions += [f"({where})"] if where else []
    if not conditions:
        raise ValueError("no items named: give paths, ids or a filter")
    return " OR ".join(conditions)


def _below(path: Path) -> str:
    """Return SQL that matches a file, or everything below a folder."""
    starts = (f"starts_with(uri, '{_quoted(prefix)}')" for prefix in prefixes_below(path))
    return f"(uri = '{_quoted(path_to_uri(path))}' OR {' OR '.join(starts)})"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _between(ids: NDArray[np.int64]) -> str:
    return f"id >= {ids[0]} AND id <= {ids[-1]}"


def _first_line(error: Exception) -> str:
    """Return the engine's message without the source positions that it appends."""
    line = str(error).splitlines()[0].split(", /")[0].split(". Valid fields")[0]
    return (
        line.removeprefix("Invalid user input: ")
        .removeprefix("Schema error: ")
        .removeprefix("LanceError(IO): ")
        .strip()
    )
