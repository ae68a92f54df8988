"""When the table is compacted and how long old versions stay: a small change must cost little, now and later.

Fragments are merged in tiers, as in a log-structured merge tree: as soon as eight fragments of about one size exist,
they and all smaller ones become one. So a row is rewritten once per tier, and the number of fragments stays below
eight per tier. A version stays for an hour as long as all old versions together take no more than the newest one;
beyond that, only the last few stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lance

from indexers.tiers import TIER, full_tier
from unite_search.storage import full_text

DELETED_SHARE = 0.2
"""A fragment is rewritten once this share of its rows has been deleted."""
INDEX_FROM_ROWS = 50_000
UNINDEXED_SHARE = 0.1
"""The index of ids is brought up to date once this share of the rows is not in it; they are scanned until then."""
KEEP_OLD_VERSIONS = timedelta(hours=1)
KEEP_LAST_VERSIONS = 8
SMALL_BYTES = 1 << 18
"""Old versions that together take less than this stay for `KEEP_OLD_VERSIONS`, however small the newest one is."""


def compact(table: lance.LanceDataset, directory: Path) -> None:
    """Merge small fragments, index the ids of a large table and delete old versions, each if there is enough to do.

    Args:
        table: the newest version.
        directory: the table's folder.
    """
    sizes = [(fragment.physical_rows, fragment.num_deletions) for fragment in table.get_fragments()]
    rows = max(rows_to_merge([size for size, _ in sizes]), rows_to_rewrite(sizes))
    if rows:
        table.optimize.compact_files(target_rows_per_fragment=rows, materialize_deletions_threshold=DELETED_SHARE)
    _index_ids(table)
    full_text.update(table)
    _delete_old_versions(table, directory)


def rows_to_merge(sizes: Sequence[int]) -> int:
    """Return the size below which fragments shall be merged, given the rows of each; 0 if none shall."""
    tier = full_tier(sizes)
    return 0 if tier is None else int(TIER ** (tier + 1))


def rows_to_rewrite(sizes: Sequence[tuple[int, int]]) -> int:
    """Return the rows of the largest fragment with too many deleted rows, given the rows and deleted rows of each.

    The engine cuts what it writes into fragments of the size below which it merges.
    """
    return max((rows for rows, deleted in sizes if deleted > DELETED_SHARE * rows), default=0)


def _index_ids(table: lance.LanceDataset) -> None:
    rows = table.count_rows()
    if rows < INDEX_FROM_ROWS:
        return
    name = next((index.name for index in table.describe_indices() if index.field_names == ["id"]), None)
    if name is None:
        table.create_scalar_index("id", "BTREE")
    elif table.stats.index_stats(name)["num_unindexed_rows"] > UNINDEXED_SHARE * rows:
        table.optimize.optimize_indices(index_names=[name])


def _delete_old_versions(table: lance.LanceDataset, directory: Path) -> None:
    """Delete versions by age, and by number where they take too much space."""
    table.cleanup_old_versions(older_than=KEEP_OLD_VERSIONS)
    if len(table.versions()) <= KEEP_LAST_VERSIONS:
        return
    live = sum(file.file_size_bytes or 0 for fragment in table.get_fragments() for file in fragment.data_files())
    total = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if total - live > max(live, SMALL_BYTES):
        table.cleanup_old_versions(older_than=timedelta(0), retain_versions=KEEP_LAST_VERSIONS)
