"""What `verify` looks at: the files of a collection, the rows of its catalog, its partitions, and whether they agree.

Everything is read. Each problem says which side is damaged: a file, a row of the catalog by id and uri, or a partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexers.partitioned import PartitionedIndex
from unite_search.display import counted
from unite_search.errors import DamagedCollectionError, UniteSearchError
from unite_search.storage.catalog import TABLE, Catalog
from unite_search.storage.file_checksums import (
    COPIES,
    FILE_NAME,
    HINT,
    FileChecksums,
    damaged_copies,
    manifests,
    missing_version,
    newest_version,
)
from unite_search.storage.metadata import FILE_NAME as METADATA_FILE
from unite_search.storage.metadata import CollectionMetadata
from unite_search.storage.row_checksums import CheckedRows, vectors_of
from unite_search.storage.sync import NO_IDS
from unite_search.storage.vectors import is_off

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedRow:
    """A row of the catalog that differs from its checksums. Where `is_rest_sound` is not set, its uri may be wrong."""

    id: int
    parent: int
    uri: str
    vector_crc: int | None
    is_vector_sound: bool
    is_rest_sound: bool

    def __str__(self) -> str:
        damaged = {(False, True): "vector", (True, False): "metadata"}.get((self.is_vector_sound, self.is_rest_sound))
        return f"catalog: row {self.id} ({self.uri}): damaged {damaged or 'vector and metadata'}, its checksum differs"


@dataclass(slots=True)
class CatalogDamage:
    """What is wrong with a catalog.

    Attributes:
        files: files that differ from their checksums, by path relative to the catalog's folder, with what is wrong.
        rows: rows that differ from their checksums.
        unreadable: what kept fragments, or the whole table, from being read.
        others: other problems, one line each.
        lost_ids: ids of rows that could not be read, as far as they are known.
        lost_uris: the uris of the same rows, as far as they are known.
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: list[DamagedRow] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    lost_ids: list[int | None] = field(default_factory=list)
    lost_uris: list[str | None] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        """Whether nothing is damaged; what the rows say of each other is not damage of files."""
        return not (self.files or self.rows or self.unreadable)

    def add_lost(self, found: pa.Table) -> None:
        """Note the rows of a fragment that cannot be read, given the columns that can be."""
        empty = [None] * len(found)
        self.lost_ids += found["id"].to_pylist() if "id" in found.schema.names else empty
        self.lost_uris += found["uri"].to_pylist() if "uri" in found.schema.names else empty

    def lines(self) -> list[str]:
        """Return one line for each problem."""
        more = len(self.rows) - MOST_ROWS_NAMED
        return [
            *(f"catalog file {name}: {problem}" for name, problem in self.files.items()),
            *(f"catalog: rows cannot be read: {problem}" for problem in self.unreadable),
            *map(str, self.rows[:MOST_ROWS_NAMED]),
            *([f"catalog: {more:,} more rows differ from their checksums"] if more > 0 else []),
            *self.others,
        ]


def damage_of_files(folder: Path) -> CatalogDamage:
    """Compare the files of a catalog folder with the list of their checksums; the table is not opened."""
    damage = CatalogDamage()
    try:
        known = FileChecksums.read(folder)
    except ValueError as error:
        damage.files[FILE_NAME] = str(error)
        return damage
    if known is None:
        return damage
    newest = newest_version(folder / TABLE)
    present = [
        name
        for name in known.digests
        if (folder / name).exists() and not (name.endswith(HINT) and newest != known.version)
    ]
    found = dict(known.problems(folder, present))
    damage.files.update({name: problem for name, problem in found.items() if (folder / name).exists()})
    damage.files.update(damaged_copies(folder, known))
    if newest < known.version:
        listed = (name for name in manifests(TABLE, known.version) if name in known.digests)
        damage.files[next(listed, f"{TABLE}/_versions")] = missing_version(known.version, newest)
    copy = folder / COPIES / METADATA_FILE
    if copy.exists() and problem_of_metadata(copy):
        damage.files[f"{COPIES}/{METADATA_FILE}"] = "checksum differs"
    return damage


def problem_of_metadata(path: Path) -> str | None:
    """Return what is wrong with `collection.json` or its copy, or None."""
    try:
        CollectionMetadata.parse(path.read_text(encoding="utf-8"), path.parent)
    except UniteSearchError as error:
        return str(error)
    except (OSError, ValueError):
        return "checksum differs"
    return None


def damage_of_catalog(folder: Path, dim: int) -> CatalogDamage:
    """Compare the files and all rows of a catalog with their checksums."""
    damage = damage_of_files(folder)
    try:
        catalog = Catalog(folder, dim=dim)
        missing = {name: problem for name, problem in catalog.damaged_files() if name not in damage.files}
        damage.files.update(missing)
        add_damage_of_rows(damage, catalog)
    except DamagedCollectionError as error:
        damage.unreadable.append(error.what)
    return damage


def refuse_damage(directory: Path, dim: int) -> None:
    """Refuse to build partitions from a damaged catalog.

    Raises:
        DamagedCollectionError: it is damaged.
    """
    damage = damage_of_catalog(directory / "catalog", dim)
    if damage.is_none:
        return
    first, count = damage.lines()[0], len(damage.lines())
    raise DamagedCollectionError(
        f"nothing was rebuilt, because the catalog is damaged: {first}"
        + (f", and {counted(count - 1, 'more problem')}" if count > 1 else "")
        + f"; `unite-search repair --db {directory}` brings back what can be"
    )


def add_damage_of_rows(damage: CatalogDamage, catalog: Catalog) -> None:
    """Read every row; add what is wrong."""
    ids, owners, off = [NO_IDS], Counter[str](), 0
    pairs: set[tuple[str, int]] = set()
    for rows in catalog.checked():
        if rows.problem is not None:
            damage.unreadable.append(rows.problem)
            damage.add_lost(rows.table)
            continue
        damage.rows += damaged_rows(rows)
        ids.append(rows.table["id"].to_numpy())
        pairs.update(zip(rows.table["uri"].to_pylist(), rows.table["parent"].to_pylist(), strict=True))
        vectors = vectors_of(rows.table["embedding"]).astype(np.float32)
        off += int(is_off(vectors[rows.vectors]).sum())
    owners.update(uri for uri, _ in pairs)
    every = np.concatenate(ids)
    repeated = len(every) - len(np.unique(every))
    damage.others += [f"catalog: {repeated} ids stand more than once"] if repeated else []
    damage.others += [f"catalog: {uri} is indexed {count} times" for uri, count in owners.items() if count > 1]
    damage.others += [f"catalog: {off} vectors are not of unit length"] if off else []


def damaged_rows(rows: CheckedRows) -> list[DamagedRow]:
    """Return the rows that differ from their checksums."""
    bad = np.flatnonzero(~(rows.vectors & rows.others))
    found = rows.table.select(["id", "parent", "uri", "vector_crc"]).take(bad).to_pylist() if len(bad) else []
    return [
        DamagedRow(**row, is_vector_sound=bool(rows.vectors[place]), is_rest_sound=bool(rows.others[place]))
        for row, place in zip(found, bad, strict=True)
    ]


def partition_problems(catalog: Catalog, partitions: PartitionedIndex) -> Iterator[str]:
    """Compare partitions with a catalog; what is said of vectors concerns those whose checksums are right."""
    wanted = catalog.ids_by_partition()
    for name in sorted({*wanted, *partitions.names()}):
        held, expected = partitions.ids(name), wanted.get(name, NO_IDS)
        for count, what in (
            (len(np.setdiff1d(expected, held)), "lacks {} items of the catalog"),
            (len(np.setdiff1d(held, expected)), "holds {} items that the catalog does not"),
            (len(held) - len(np.unique(held)), "holds {} items more than once"),
        ):
            if count:
                yield f"partition {name}: {what.format(count)}"
        differing = sum(
            int((partitions.reconstruct(name, found) != embeddings).any(axis=1).sum())
            for found, embeddings in catalog.embeddings(np.intersect1d(expected, held))
        )
        if differing:
            yield f"partition {name}: {differing} vectors differ from those of the catalog, whose checksums are right"
