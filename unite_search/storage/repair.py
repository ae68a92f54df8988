"""What `repair` does to a collection's files: second copies first, then rows of the catalog, then the partitions.

A damaged vector is taken from the partition, where it has the checksum that the row remembers. Rows that cannot be
brought back are dropped, together with the other rows of a file that still exists, so that the file is read
again as a whole. Every step is one commit or one rename, and a repair that was killed can be started again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from indexers.atomic import write_text
from indexers.errors import IndexerError
from indexers.partitioned import PartitionedIndex
from indexers.stored_file import checksum
from unite_search.errors import CollectionNotFoundError, DamagedCollectionError
from unite_search.media.uri import is_gone, uri_to_path
from unite_search.report import RepairReport
from unite_search.storage.catalog import TABLE, Catalog
from unite_search.storage.check import (
    CatalogDamage,
    DamagedRow,
    damage_of_catalog,
    damage_of_files,
    problem_of_metadata,
)
from unite_search.storage.file_checksums import COPIES, HINT, FileChecksums, copy_file
from unite_search.storage.file_checksums import FILE_NAME as CHECKSUMS_FILE
from unite_search.storage.guard import guarded
from unite_search.storage.locks import write_lock
from unite_search.storage.metadata import FILE_NAME, ID_BLOCK, CollectionMetadata
from unite_search.storage.row_checksums import CheckedRows, checksums_of
from unite_search.storage.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray


def repair_files(directory: Path, *, dry_run: bool = False) -> RepairReport:
    """Bring back what can be without the encoder; the report says which files are to be read again.

    Args:
        directory: the collection's folder.
        dry_run: report what would be done and write nothing.

    Raises:
        CollectionNotFoundError: there is no collection.
        CollectionLockedError: another process is writing.
        DamagedCollectionError: nothing readable is left of the catalog, or of `collection.json`.
    """
    report = RepairReport(dry_run=dry_run)
    if not directory.is_dir():
        CollectionMetadata.read(directory)
    with write_lock(directory):
        _restore_metadata(directory, report)
        _restore_files(directory / "catalog", report)
        _fall_back(directory, report)
    if dry_run and (report.restored_files or report.deleted_versions):
        report.notes.append("what else is damaged can be seen once these files have been restored")
        return report
    store = Store(directory)
    with write_lock(directory):
        _repair_rows(store, report)
        _repair_partitions(store, report)
    return report


def _restore_metadata(directory: Path, report: RepairReport) -> None:
    """Take the second copy of `collection.json`, if the first is damaged. Ids that may have been used are left out."""
    path, copy = directory / FILE_NAME, directory / "catalog" / COPIES / FILE_NAME
    try:
        CollectionMetadata.read(directory)
        return
    except (DamagedCollectionError, CollectionNotFoundError):
        if problem_of_metadata(copy):
            raise
    metadata = CollectionMetadata.parse(copy.read_text(encoding="utf-8"), directory)
    report.restored_files.append(str(path))
    if not report.dry_run:
        replace(metadata, next_id=metadata.next_id + 2 * ID_BLOCK).write(directory)


def _restore_files(folder: Path, report: RepairReport) -> None:
    """Replace damaged files of the catalog by their second copies, where these are good, and delete damaged copies."""
    try:
        known = FileChecksums.read(folder)
    except ValueError:
        return
    if known is None:
        return
    for name in damage_of_files(folder).files:
        copy, original = folder / COPIES / name, folder / name
        if name.startswith(COPIES):
            _delete(original, report)
        elif name.endswith(HINT):
            report.restored_files.append(str(original))
            if not report.dry_run:
                write_text(original, f'{{"version":{known.version}}}')
        elif copy.is_file() and checksum(copy) == known.digests.get(name):
            report.restored_files.append(str(original))
            if not report.dry_run:
                copy_file(copy, original)


def _delete(path: Path, report: RepairReport) -> None:
    """Delete a file that is not needed."""
    if not report.dry_run:
        path.unlink(missing_ok=True)


def _fall_back(directory: Path, report: RepairReport) -> None:
    """Delete manifests that cannot be read, newest first, until the newest one that is left can be."""
    path = directory / "catalog" / TABLE
    damage = damage_of_files(directory / "catalog")
    found = (manifest for manifest in (path / "_versions").glob("*.manifest") if manifest.stem.isdigit())
    numbered = sorted(found, key=_version, reverse=True)
    damaged = [manifest for manifest in numbered if f"{TABLE}/_versions/{manifest.name}" in damage.files]
    good = (manifest for manifest in numbered if manifest not in damaged and _is_readable(directory, path, manifest))
    newest = next(good, None)
    if newest is None:
        raise DamagedCollectionError(
            f"no version of the catalog of {directory} can be read; index the folders into a new collection"
        )
    newer = numbered[: numbered.index(newest)]
    report.deleted_versions += map(_version, newer)
    for manifest in dict.fromkeys([*newer, *damaged]):
        _delete(manifest, report)
    _forget_versions_after(_version(newest), directory / "catalog", report)


def _forget_versions_after(version: int, folder: Path, report: RepairReport) -> None:
    """Let the list of checksums end with a version, if the newer one that it knows is missing or was deleted."""
    with suppress(ValueError):
        known = FileChecksums.read(folder)
        if known is None or known.version <= version:
            return
        if known.version not in report.deleted_versions:
            report.deleted_versions.append(known.version)
        if not report.dry_run:
            replace(known, version=version).write(folder)


def _is_readable(directory: Path, path: Path, manifest: Path) -> bool:
    with suppress(DamagedCollectionError), guarded(directory):
        lance.dataset(str(path), version=_version(manifest)).get_fragments()
        return True
    return False


def _version(manifest: Path) -> int:
    number = int(manifest.stem)
    return 2**64 - 1 - number if number > 2**63 else number


@dataclass(slots=True)
class _Plan:
    """What to do with the rows: vectors to put in, by id; uris of files whose sound rows are left out, too."""

    vectors: dict[int, NDArray[np.float16]] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)


def _repair_rows(store: Store, report: RepairReport) -> None:
    """Write the table anew without its damaged rows, if files of it are damaged that have no second copy."""
    damage = damage_of_catalog(store.directory / "catalog", store.metadata.dim)
    report.problems += damage.lines()
    live = dict(store.catalog.damaged_files()) if damage.files else {}
    if damage.rows or damage.unreadable or live.keys() - {CHECKSUMS_FILE}:
        plan = _planned(store, damage, report)
        if not report.dry_run:
            store.catalog.replace_all(_kept(store.catalog, plan))
            store.catalog.compact()
    elif damage.files and not report.dry_run:
        store.catalog.delete_old_versions()
    would = "would be " if report.dry_run else ""
    if CHECKSUMS_FILE in damage.files:
        report.notes.append(f"{would}written anew: catalog file {CHECKSUMS_FILE}")
    if report.deleted_versions or _has_unknown_files(damage):
        report.notes.append("files that the damaged rows do not name any more are looked for in the indexed folders")
        report.files_to_read += [root for root in map(Path, store.metadata.roots) if not is_gone(root)]
    needed = dict(store.catalog.damaged_files()) if damage.files else {}
    for name in damage.files:
        path = store.directory / "catalog" / name
        if path.is_file() and path.parent.parent.name == TABLE and name not in needed:
            _delete(path, report)
            report.notes.append(f"{would}deleted, because nothing needs it: catalog file {name}")


def _has_unknown_files(damage: CatalogDamage) -> bool:
    """Return whether rows were lost whose files are not known, such as rows whose uri is damaged."""
    are_unread = bool(damage.unreadable) and (not damage.lost_uris or None in damage.lost_uris)
    return are_unread or any(not row.is_rest_sound and not _is_there(row.uri) for row in damage.rows)


def _planned(store: Store, damage: CatalogDamage, report: RepairReport) -> _Plan:
    plan = _Plan()
    lost: list[DamagedRow] = []
    for row in damage.rows:
        vector = _vector_of(store.partitions, row) if row.is_rest_sound else None
        if vector is None:
            lost.append(row)
        else:
            plan.vectors[row.id] = vector
    report.restored_vectors = sorted(plan.vectors)
    report.dropped = [{"id": row.id, "uri": row.uri} for row in lost]
    report.dropped += [{"id": id_, "uri": uri} for id_, uri in zip(damage.lost_ids, damage.lost_uris, strict=True)]
    _plan_files(store.catalog, plan, (lost, [uri for uri in damage.lost_uris if uri is not None]), report)
    return plan


def _plan_files(catalog: Catalog, plan: _Plan, lost: tuple[list[DamagedRow], list[str]], report: RepairReport) -> None:
    """Decide which files are read again, and drop their other rows with them."""
    rows, uris = lost
    wanted = {row.uri for row in rows} | set(uris)
    parents = {row.parent for row in rows}
    damaged = {row.id for row in rows}
    names = ["id", "parent", "uri"]
    for found in catalog.readable(names):
        if found.column_names != names:
            continue
        for id_, parent, uri in zip(*(found[name].to_pylist() for name in names), strict=True):
            if (parent in parents or uri in wanted) and id_ not in damaged and _is_there(uri):
                wanted.add(uri)
                plan.spoiled.add(uri)
    again = sorted(uri for uri in wanted if _is_there(uri))
    report.files_to_read += [uri_to_path(uri) for uri in again]
    report.lost += sorted(wanted - set(again))


def _is_there(uri: str) -> bool:
    try:
        return uri_to_path(uri).is_file()
    except (ValueError, OSError):
        return False


def _vector_of(partitions: PartitionedIndex, row: DamagedRow) -> NDArray[np.float16] | None:
    """Return the vector of a row from a partition that has it with the checksum of the row; None if there is none."""
    ids = np.array([row.id], np.int64)
    for name in partitions.names():
        with suppress(KeyError, IndexerError):
            vector = partitions.reconstruct(name, ids).astype(np.float16)
            if int(checksums_of(ids, vector)[0]) == row.vector_crc:
                found: NDArray[np.float16] = vector[0]
                return found
    return None


def _kept(catalog: Catalog, plan: _Plan) -> Iterator[pa.Table]:
    """Yield the rows that stay, with the vectors that were brought back."""
    for rows in catalog.checked():
        if rows.problem is None:
            yield _mended(rows, plan)


def _mended(rows: CheckedRows, plan: _Plan) -> pa.Table:
    table, ids = rows.table, rows.table["id"].to_numpy()
    is_mended = ~rows.vectors & rows.others & np.isin(ids, list(plan.vectors))
    if is_mended.any():
        place = table.schema.get_field_index("embedding")
        kind = table.schema.field(place).type
        flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).copy()
        vectors = flat.reshape(len(table), -1)
        for number in np.flatnonzero(is_mended):
            vectors[number] = plan.vectors[int(ids[number])]
        mended = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), kind.list_size)
        table = table.set_column(place, table.schema.field(place), mended.cast(kind))
    is_kept = (rows.vectors | is_mended) & rows.others
    is_spoiled = pc.is_in(table["uri"], pa.array(sorted(plan.spoiled), pa.utf8()))
    return table.filter(is_kept & ~is_spoiled.to_numpy())


def _repair_partitions(store: Store, report: RepairReport) -> None:
    """Build the partitions anew if something is wrong with them, else only bring them up to date."""
    stored = PartitionedIndex.open(
        store.directory / "partitions",
        dim=store.metadata.dim,
        fingerprint=store.metadata.fingerprint,
        config=store.metadata.index,
    )
    problems = [*stored.problems, *stored.verify()]
    report.problems += problems
    if not report.dry_run:
        store.build_partitions() if problems else store.settle()
    if problems:
        report.rebuilt = sorted(store.catalog.ids_by_partition())
