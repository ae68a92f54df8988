"""Import of existing embeddings: an export of this program, or a plain clip-retrieval folder.

Vectors are scaled to unit length. Columns of a plain folder's parquet files beyond path and caption become the item's
metadata. The collection is built aside and renamed at the end, so it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexers.memory import give_back_memory
from unite_search import strict_json
from unite_search.errors import UniteSearchError
from unite_search.media.reasons import short
from unite_search.media.types import EARLIEST_NS, MediaFile, mtime_ns_of
from unite_search.modality import Modality
from unite_search.storage.export import CAPTION, ENCODER_FILE, PATH, ExportSource, read_source
from unite_search.storage.metadata import FILE_NAME, CollectionMetadata, IdCounter
from unite_search.storage.rows import Row, placed, schema
from unite_search.storage.shards import Shard, ShardBatch, find_shards, naming, read_shard
from unite_search.storage.store import Store
from unite_search.storage.whole_folder import whole_folder

RECIPE = "imported"
UNKNOWN_ENCODER = "imported"
OWN_MARKS = {"id", "parent", "content_hash", "recipe", PATH}
"""Columns by which an export of this program is known from a plain folder."""


def import_vectors(source: Path, directory: Path) -> None:
    """Create a collection from the vectors of a folder.

    Raises:
        UniteSearchError: the folder holds no embeddings, or some that cannot be stored; nothing is created then.
    """
    shards = find_shards(source)
    made_by = _source(source, dim=shards[0].dim)
    metadata = CollectionMetadata(encoder=made_by.encoder, fingerprint=made_by.fingerprint, dim=made_by.dim)
    with whole_folder(directory, last=FILE_NAME) as folder:
        store = Store.create(folder, metadata)
        with store.writing() as ids:
            store.catalog.append(read_rows(shards, ids))
        store.partitions.clear()
        (folder / "write.lock").unlink(missing_ok=True)


def read_rows(shards: list[Shard], ids: IdCounter) -> Iterator[list[Row]]:
    """Stream the rows of shards with new ids, in batches; items of one file share a parent, wherever they are.

    Raises:
        UniteSearchError: a file cannot be read, or a row cannot be stored.
    """
    parents = ParentTable()
    for shard in shards:
        for batch in read_shard(shard):
            yield _with_new_ids(_rows(batch), ids, parents)
            give_back_memory()


def _source(directory: Path, *, dim: int) -> ExportSource:
    made_by = read_source(directory) or ExportSource(encoder=UNKNOWN_ENCODER, fingerprint=UNKNOWN_ENCODER, dim=dim)
    if made_by.dim != dim:
        raise UniteSearchError(
            f"{directory} holds vectors of {dim} numbers, but its {ENCODER_FILE} says that they have {made_by.dim}"
        )
    return made_by


def _rows(batch: ShardBatch) -> list[Row]:
    shard, known = batch.shard, batch.metadata
    if known is None:
        return _foreign_rows(batch, [{} for _ in batch.vectors])
    with naming(shard.metadata or shard.embeddings):
        if OWN_MARKS.issubset(known.schema.names):
            return _own_rows(batch, known)
        return _foreign_rows(batch, _plain_records(known))


def _own_rows(batch: ShardBatch, known: pa.RecordBatch) -> list[Row]:
    """Return the rows of an export as they were, checked against the columns of the catalog."""
    columns: dict[str, list[Any]] = {}
    for column in schema(batch.shard.dim):
        name = {"uri": PATH, "text": CAPTION}.get(column.name, column.name)
        if column.name != "embedding" and name in known.schema.names:
            kind = pa.utf8() if column.name == "metadata" else column.type
            columns[column.name] = _own_values(batch, known.column(name), kind, column)
        elif not column.nullable and name not in ("embedding", "modality", "partition"):
            raise UniteSearchError(f"{batch.shard.metadata} has no column {name}")
    columns["metadata"] = [
        _own_metadata(text, batch, place) for place, text in enumerate(columns.get("metadata", [None] * len(known)))
    ]
    names = list(columns)
    shared = _columns_of(batch.shard.modality)
    return [
        {**dict(zip(names, values, strict=True)), **shared, "embedding": vector}
        for vector, *values in zip(batch.vectors, *columns.values(), strict=True)
    ]


def _own_values(batch: ShardBatch, values: pa.Array, kind: pa.DataType, column: pa.Field) -> list[Any]:
    try:
        cast = values if values.type == kind else values.cast(kind)
    except pa.ArrowException as error:
        reason = short(str(error))
        raise UniteSearchError(f"{batch.shard.metadata}: column {column.name} is no {kind}: {reason}") from error
    listed: list[Any] = cast.to_pylist()
    for place, value in enumerate(() if column.nullable else listed):
        if value is None or (column.name == "uri" and not value):
            raise UniteSearchError(f"{batch.shard.metadata}, row {batch.start + place}: no {column.name}")
    return listed


def _own_metadata(text: str | None, batch: ShardBatch, place: int) -> str | None:
    if text is None or text == "{}":
        return text
    try:
        content = strict_json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UniteSearchError(f"{batch.shard.metadata}, row {batch.start + place}: metadata is not a JSON object")
    return strict_json.dumps(content)


def _plain_records(known: pa.RecordBatch) -> list[dict[str, Any]]:
    columns = [_plain_values(column) for column in known.columns]
    records: list[dict[str, Any]] = pa.RecordBatch.from_arrays(columns, known.schema.names).to_pylist()
    return records


def _plain_values(column: pa.Array) -> pa.Array:
    """Return a column of which Python has every value: there are times that it has not, which become texts."""
    if not pa.types.is_temporal(column.type):
        return column
    try:
        column.to_pylist()
    except (ValueError, OverflowError, ImportError):
        return column.cast(pa.utf8())
    return column


def _foreign_rows(batch: ShardBatch, known: list[dict[str, Any]]) -> list[Row]:
    return [
        _foreign_row(old, vector, batch.shard.modality, batch.shard.embeddings)
        for old, vector in zip(known, batch.vectors, strict=True)
    ]


def _columns_of(modalities: Modality) -> Row:
    return {"modality": modalities.main, "partition": modalities.partition}


def _foreign_row(old: dict[str, Any], vector: NDArray[np.float32], modality: Modality, path: Path) -> Row:
    digest = hashlib.blake2b(vector.tobytes(), digest_size=16).hexdigest()
    given = Path(_text(old.get(PATH)) or path.parent / digest).absolute()
    size_bytes, mtime_ns = _size_and_time(given)
    file = MediaFile(path=given, modality=modality.main, size_bytes=size_bytes, mtime_ns=mtime_ns)
    rest = {name: value for name, value in old.items() if name not in (PATH, CAPTION)}
    row = {
        **_columns_of(modality),
        "content_hash": digest,
        "recipe": RECIPE,
        "embedding": vector,
        "text": _text(old.get(CAPTION)),
        "metadata": strict_json.dumps(rest) if rest else "{}",
    }
    return placed(row, file)


def _text(value: Any) -> str | None:
    """Return a path or a caption as text; None for nothing, which pandas writes as NaN into a column of numbers."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _size_and_time(path: Path) -> tuple[int, int]:
    """Return size and modification time of a file; 0 and `EARLIEST_NS`, which is no time, for one that is not here."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, EARLIEST_NS
    return found.st_size, mtime_ns_of(found)


def _with_new_ids(rows: list[Row], ids: IdCounter, parents: ParentTable) -> list[Row]:
    taken = ids.take(len(rows))
    found = parents.find([row["uri"] for row in rows], taken)
    for row, id_, parent in zip(rows, taken, found, strict=True):
        row["id"], row["parent"] = id_, parent
    return rows


class ParentTable:
    """The parent of the rows of each file: the id of its first row. A million files take 16 MB, as hashes of uris."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.int64)
        self._ids = np.empty(0, np.int64)

    def find(self, uris: Sequence[str], ids: range) -> list[int]:
        """Return the parents of some rows, which get `ids` themselves."""
        given = np.fromiter(map(hash, uris), np.int64, len(uris))
        keys, first = np.unique(given, return_index=True)
        places = np.searchsorted(self._keys, keys)
        is_new = np.ones(len(keys), np.bool_)
        inside = places < len(self._keys)
        is_new[inside] = self._keys[places[inside]] != keys[inside]
        new_ids = ids.start + first[is_new]
        self._keys = np.insert(self._keys, places[is_new], keys[is_new])
        self._ids = np.insert(self._ids, places[is_new], new_ids)
        found: list[int] = self._ids[np.searchsorted(self._keys, given)].tolist()
        return found
