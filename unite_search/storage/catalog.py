"""The catalog: a LanceDB table with one row per item, the only record of what is indexed.

The table is `catalog/items.lance`; any LanceDB client opens it with `lancedb.connect(DIR / "catalog")`. It is read
and written here through `pylance`, the same engine without LanceDB's import cost. Every change is one commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("LANCE_LOG", "error")

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unite_search.errors import DamagedCollectionError, OutdatedError, UniteSearchError
from unite_search.storage import file_checksums, full_text, row_checksums
from unite_search.storage.change import STATE_COLUMNS, Change, FileState
from unite_search.storage.compaction import compact
from unite_search.storage.file_checksums import FILE_NAME, FileChecksums, Files
from unite_search.storage.filter_errors import refusal
from unite_search.storage.full_text import FullText
from unite_search.storage.guard import damaged, guard, guarded, refusal_of_system
from unite_search.storage.row_checksums import CHECKSUMS, VECTOR_CRC, CheckedRows
from unite_search.storage.rows import Row, schema, to_table
from unite_search.storage.selection import quoted
from unite_search.storage.words import WORDS

TABLE = "items.lance"
BOUNDED_READ = {"batch_size": 8192, "batch_readahead": 2, "fragment_readahead": 1, "io_buffer_size": 1 << 26}
"""How vectors are streamed: the engine would otherwise read up to 2 GB ahead."""


class Catalog:
    """A handle on one version of the table; `refresh` moves it to the newest."""

    def __init__(self, directory: Path, *, dim: int) -> None:
        """Open the newest version.

        Raises:
            DamagedCollectionError: it cannot be read.
        """
        self._directory = directory
        self._path = str(directory / TABLE)
        self._dim = dim
        self._open()

    @classmethod
    def create(cls, directory: Path, *, dim: int) -> Catalog:
        """Create an empty table."""
        directory.mkdir(parents=True, exist_ok=True)
        full_text.create(lance.write_dataset(schema(dim).empty_table(), str(directory / TABLE), mode="overwrite"))
        return cls(directory, dim=dim)

    @property
    def version(self) -> int:
        """The version that this handle reads."""
        return int(self._table.version)

    @property
    def full_text(self) -> FullText:
        """The full-text index of this version; its searches are to be made within `guarded`."""
        return FullText(self._table)

    def guarded(self) -> AbstractContextManager[None]:
        """Turn errors of the engine into errors that name the collection, see `guard`."""
        return guarded(self._directory.parent, self._is_outdated)

    @guard
    def refresh(self) -> None:
        """Move to the newest version."""
        self._table.checkout_latest()

    @guard
    def newest(self) -> Catalog:
        """Return a handle on the newest version: this handle, if it is the newest.

        Otherwise a new handle is opened with caches of its own: shared caches would keep the pages of every version.
        """
        if self._table.latest_version == self.version:
            return self
        newer = copy(self)
        newer._open()
        return newer

    def _open(self) -> None:
        """Open the newest version, unless its manifest is damaged, to which the engine may answer with a panic."""
        problem = file_checksums.problem_of_manifest(self._directory, TABLE)
        if problem:
            raise damaged(self._directory.parent, problem)
        with guarded(self._directory.parent):
            self._table = lance.dataset(self._path)
            held = self._table.schema.field("embedding").type.list_size
        if held != self._dim:
            problem = f"it holds vectors of {held} numbers, collection.json says {self._dim}"
            raise damaged(self._directory.parent, problem)

    @guard
    def count(self, where: str | None = None) -> int:
        """Count the items, or those that match a SQL expression."""
        return int(self._table.count_rows(filter=where))

    @guard
    def states(self) -> dict[str, FileState]:
        """Return what is known of every file, by uri."""
        known: dict[str, FileState] = {}
        for batch in self._table.to_batches(columns=list(STATE_COLUMNS)):
            for uri, *state in zip(*(batch.column(name).to_pylist() for name in STATE_COLUMNS), strict=True):
                known[uri] = FileState(*state)
        return known

    @guard
    def ids_where(self, where: str) -> NDArray[np.int64]:
        """Return the sorted ids of the items that match a SQL expression; errors are those of `columns`."""
        return np.sort(self.columns(["id"], where)["id"].to_numpy())

    @guard
    def columns(self, names: Sequence[str], where: str | None = None) -> pa.Table:
        """Read some columns of all items, or of those that match a SQL expression, in table order.

        Raises:
            FilterError: the expression cannot be evaluated; the message says why and names the columns.
        """
        try:
            return self._table.to_table(columns=list(names), filter=where)
        except (ValueError, OSError) as error:
            raise self._refusal(where, error) from error

    @guard
    def stream(self, columns: Sequence[str], where: str | None = None) -> Iterator[dict[str, Any]]:
        """Stream what `columns` reads as dictionaries, one batch in memory at a time; errors are those of `columns`."""
        try:
            for batch in self._table.to_batches(columns=list(columns), filter=where):
                yield from batch.to_pylist()
        except (ValueError, OSError) as error:
            raise self._refusal(where, error) from error

    def ids_of_hashes(self, hashes: Iterable[str]) -> NDArray[np.int64]:
        """Return the sorted ids of the items whose file has one of these content hashes."""
        wanted = ", ".join(f"'{quoted(content_hash)}'" for content_hash in hashes)
        return self.ids_where(f"content_hash IN ({wanted})") if wanted else np.empty(0, np.int64)

    @guard
    def ids_by_partition(self) -> dict[str, NDArray[np.int64]]:
        """Return the ids of every non-empty partition, by its name, in table order."""
        table = self._table.to_table(columns=["id", "partition"])
        ids, names = table["id"].to_numpy(), pc.dictionary_encode(table["partition"]).combine_chunks()
        codes = names.indices.to_numpy(zero_copy_only=False)
        return {name: ids[codes == code] for code, name in enumerate(names.dictionary.to_pylist())}

    @guard
    def highest_id(self) -> int:
        """Return the greatest id, or -1 for an empty table."""
        highest = pc.max(self._table.to_table(columns=["id"])["id"]).as_py()
        return -1 if highest is None else int(highest)

    @guard
    def embeddings(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Stream the sound vectors of the sorted `ids` as ((n,), (n, D)) batches, in table order.

        A vector that differs from its checksum is left out.
        """
        if not len(ids):
            return
        columns = ["id", "embedding", VECTOR_CRC]
        for batch in self._table.to_batches(columns=columns, filter=_between(ids), **BOUNDED_READ):
            wanted = np.isin(batch.column("id").to_numpy(), ids, assume_unique=True)
            rows = pa.Table.from_batches([batch]).filter(wanted)
            rows = rows.filter(row_checksums.are_vectors_sound(rows))
            if len(rows):
                yield rows["id"].to_numpy(), row_checksums.vectors_of(rows["embedding"]).astype(np.float32)

    @guard
    def table(self, ids: NDArray[np.int64]) -> pa.Table:
        """Read every column but the checksums of the sorted `ids`, ordered by id.

        Raises:
            DamagedCollectionError: one of the rows differs from its checksum.
        """
        found = self._table.to_table(filter=_between(ids))
        found = found.filter(np.isin(found["id"].to_numpy(), ids)).sort_by("id")
        if not row_checksums.are_sound(found).all():
            raise damaged(self._directory.parent, "rows differ from their checksums")
        return found.drop_columns([*CHECKSUMS, WORDS])

    @guard
    def rows(self, ids: Iterable[int], columns: Sequence[str] | None = None) -> dict[int, dict[str, Any]]:
        """Read items by id; unknown ids are left out.

        Raises:
            DamagedCollectionError: vectors are asked for, and one differs from its checksum.
        """
        has_vectors = columns is None or "embedding" in columns
        found = self._selected("id", ids, [*columns, VECTOR_CRC] if columns and has_vectors else columns)
        if has_vectors and not row_checksums.are_vectors_sound(found).all():
            raise damaged(self._directory.parent, "a vector differs from its checksum")
        return {row["id"]: row for row in found.to_pylist()}

    @guard
    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (n, D) vectors of some items, at least one, in the order of their ids.

        Raises:
            DamagedCollectionError, OutdatedError: one differs from its checksum, or is not in this version any more.
        """
        found = self._selected("id", ids.tolist(), ["embedding", VECTOR_CRC]).sort_by("id")
        if len(found) != len(ids):
            raise OutdatedError("items were removed meanwhile; ask again")
        if not row_checksums.are_vectors_sound(found).all():
            raise damaged(self._directory.parent, "a vector differs from its checksum")
        return row_checksums.vectors_of(found["embedding"]).astype(np.float32)

    @guard
    def rows_of(self, parents: Iterable[int]) -> list[dict[str, Any]]:
        """Read all items of some files, with vectors, ordered by id.

        A file with a row that differs from its checksum is left out, because what is written anew gets new checksums.
        """
        found = self._selected("parent", parents, None)
        spoiled = found.filter(~row_checksums.are_sound(found))["parent"]
        rows: list[dict[str, Any]] = found.filter(pc.invert(pc.is_in(found["parent"], spoiled))).to_pylist()
        return sorted(rows, key=lambda row: int(row["id"]))

    def _selected(self, key: str, values: Iterable[int], columns: Sequence[str] | None) -> pa.Table:
        wanted = ", ".join(str(int(value)) for value in values)
        names = None if columns is None else [*{*columns, "id"}]
        return self._table.to_table(columns=names, filter=f"{key} IN ({wanted})" if wanted else "false")

    def _refusal(self, where: str | None, error: Exception) -> Exception:
        """Return the error for a filter that could not be evaluated, or the error itself if the files are to blame."""
        return error if self._is_outdated() else refusal(self._table, where, error, self.guarded)

    @guard
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

    @guard
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
        except BaseException as error:
            if failures:
                raise failures[0] from error
            refusal = refusal_of_system(error)
            if refusal is None:
                raise
            raise UniteSearchError(f"the catalog of {self._directory.parent} cannot be written: {refusal}") from error

    @guard
    def remove(self, where: str) -> int:
        """Delete the items that match a SQL expression; return how many.

        Raises:
            FilterError: the expression cannot be evaluated.
        """
        count = len(self.ids_where(where))
        if count:
            self._table.delete(where)
        return count

    @guard
    def compact(self) -> None:
        """Merge small fragments and delete old versions, if there is enough of either; see `compaction`."""
        compact(self._table, Path(self._path))
        self.refresh()

    @guard
    def record_files(self) -> None:
        """Note the checksums of the files of this version, see `file_checksums`. Needs the write lock."""
        file_checksums.record(self._directory, TABLE, self.live_files())

    def live_files(self) -> Files:
        """Return the files of this version."""
        fragments = self._table.get_fragments()
        return Files(
            data=frozenset(Path(file.path).name for fragment in fragments for file in fragment.data_files()),
            deletions=frozenset(path for fragment in fragments if (path := fragment.deletion_file())),
            version=self.version,
        )

    def damaged_files(self, *, only_small: bool = False) -> Iterator[tuple[str, str]]:
        """Yield each file of this version that differs from its recorded checksum or is missing, with what is wrong.

        Where the list of checksums itself is damaged, it is all that can be named.

        Args:
            only_small: leave out data files and the index, which take long to read.
        """
        try:
            known = FileChecksums.read(self._directory)
        except ValueError as error:
            known = None
            yield FILE_NAME, str(error)
        if known:
            yield from known.problems(self._directory, self._paths(known.digests, only_small=only_small))

    @guard
    def refuse_damage(self) -> None:
        """Refuse to change a version whose manifest or deletion files are damaged: new ones would be made of them.

        A damaged list of checksums is refused, too: made anew, it would call damaged files sound.

        Raises:
            DamagedCollectionError: one of them is damaged.
        """
        for name, problem in self.damaged_files(only_small=True):
            raise damaged(self._directory.parent, f"{name}: {problem}")

    def _paths(self, listed: Iterable[str], *, only_small: bool) -> list[str]:
        files = self.live_files()
        names = file_checksums.small_files(TABLE, files, listed)
        if not only_small:
            names += [name for name in listed if Path(name).name in files.data or name.startswith(f"{TABLE}/_indices/")]
        return names

    @guard
    def checked(self) -> Iterator[CheckedRows]:
        """Read everything; yield rows with all columns and which of them are sound, or what kept them from being read.

        A fragment that cannot be read costs the rows of this fragment.
        """
        for fragment in self._table.get_fragments():
            try:
                with self.guarded():
                    yield from map(CheckedRows.of, fragment.to_batches())
            except DamagedCollectionError as error:
                found = next(self.readable(["id", "uri"], [fragment]))
                yield CheckedRows(found, problem=error.what)

    def readable(self, columns: Sequence[str], fragments: Iterable[Any] = ()) -> Iterator[pa.Table]:
        """Yield those of some columns that can be read, for each of the fragments, or of all."""
        for fragment in fragments or self._table.get_fragments():
            found = {}
            for name in columns:
                with suppress(DamagedCollectionError), self.guarded():
                    found[name] = fragment.to_table(columns=[name])[name]
            yield pa.table(found)

    @guard
    def replace_all(self, tables: Iterable[pa.Table]) -> None:
        """Write the whole table anew in one commit, then delete all older versions and the files that only they use."""
        batches = (batch for table in tables for batch in table.cast(schema(self._dim)).to_batches())
        reader = pa.RecordBatchReader.from_batches(schema(self._dim), batches)
        self._table = lance.write_dataset(reader, self._table, mode="overwrite")
        self.delete_old_versions()
        self.refresh()

    @guard
    def delete_old_versions(self) -> None:
        """Delete all versions but this one, and the files that only they use."""
        self._table.cleanup_old_versions(older_than=timedelta(0))

    def _is_outdated(self) -> bool:
        """Return whether the manifest of this version has been deleted."""
        return not any((self._directory / name).exists() for name in file_checksums.manifests(TABLE, self.version))


def _between(ids: NDArray[np.int64]) -> str:
    return f"id >= {ids[0]} AND id <= {ids[-1]}"
