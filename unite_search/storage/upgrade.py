"""Conversion of the table of a collection of format 1, 2 or 3 to that of format 4.

Format 1: `modality` was a number and `kind` the word for it. Format 2: rows had no checksums. Format 3: rows had no
words, there was no full-text index, and pictures had no perceptual hash, which stays null, since it would take decoding
them again. Each step looks at the columns that are there, so a conversion that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa

from unite_search.modality import Modality
from unite_search.storage import full_text
from unite_search.storage.catalog import TABLE
from unite_search.storage.guard import guarded
from unite_search.storage.row_checksums import CHECKSUMS, PHASH, ROW_CRC, VECTOR_CRC, row_checksums, vector_checksums
from unite_search.storage.words import WORDS, words_of


def upgrade(directory: Path) -> None:
    """Convert the table in a catalog folder. Needs the write lock.

    Raises:
        DamagedCollectionError: the table cannot be read.
    """
    with guarded(directory.parent):
        table = lance.dataset(str(directory / TABLE))
        if "kind" in table.schema.names:
            _name_modalities(table)
        if VECTOR_CRC not in table.schema.names:
            _add_checksums(table)
        if WORDS not in table.schema.names:
            table.merge(pa.Table.from_batches(_words(table), _WORDS_SCHEMA), left_on="id")
        if PHASH not in table.schema.names:
            table.add_columns(pa.field(PHASH, pa.int64()))
        if full_text.index_name(table) is None:
            full_text.create(table)


def _name_modalities(table: lance.LanceDataset) -> None:
    if "partition" not in table.schema.names:
        table.add_columns(_with_partition, read_columns=["modality"])
    if "modality" in table.schema.names:
        table.drop_columns(["modality"])
    table.alter_columns({"path": "kind", "name": "modality"})


def _with_partition(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = [Modality(code).partition for code in batch.column("modality").to_pylist()]
    return pa.RecordBatch.from_arrays([pa.array(names, pa.utf8())], names=["partition"])


def _add_checksums(table: lance.LanceDataset) -> None:
    """Add both columns of checksums in one commit; only these columns are written.

    They are joined by id, because a function over batches would be given JSON in the engine's own binary form.
    """
    made = pa.Table.from_batches(_checksums(table), _CHECKSUM_SCHEMA)
    table.merge(made, left_on="id")


_CHECKSUM_SCHEMA = pa.schema([("id", pa.int64()), *((name, pa.uint32()) for name in CHECKSUMS)])


def _checksums(table: lance.LanceDataset) -> Iterator[pa.RecordBatch]:
    for batch in table.to_batches():
        rows = pa.Table.from_batches([batch])
        columns = {"id": rows["id"], VECTOR_CRC: vector_checksums(rows), ROW_CRC: row_checksums(rows)}
        yield from pa.table(columns, _CHECKSUM_SCHEMA).to_batches()


_WORDS_SCHEMA = pa.schema([("id", pa.int64()), (WORDS, pa.utf8())])


def _words(table: lance.LanceDataset) -> Iterator[pa.RecordBatch]:
    for batch in table.to_batches(columns=["id", "name", "folder", "text", "metadata"]):
        words = pa.array(map(words_of, batch.to_pylist()), pa.utf8())
        yield pa.RecordBatch.from_arrays([batch.column("id"), words], schema=_WORDS_SCHEMA)
