"""The judge: what a collection holds, read with Lance and NumPy alone, and what an export holds.

Nothing here imports the program's own storage, which is what is judged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("uri", "id", "text", "start_s", "end_s", "content_hash", "metadata", "embedding")
RENAMED = {"image_path": "uri", "caption": "text"}
"""Columns of an export that have another name in the catalog."""
_NUMBERS = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*|\d+")


@dataclass(frozen=True, slots=True)
class Record:
    """What a collection holds.

    Attributes:
        contents: by file, a hash of its items, each with its vector bit by bit, without ids.
        ids: by file, the ids of its items.
    """

    contents: dict[str, bytes]
    ids: dict[str, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.contents)


EMPTY = Record({}, {})


def read_record(database: Path) -> Record:
    """Read the newest version of a collection's catalog.

    Raises:
        OSError, ValueError: Lance cannot read it.
    """
    return _record(lance.dataset(str(database / "catalog" / "items.lance")).to_table(columns=list(COLUMNS)))


def read_record_if_any(database: Path) -> Record:
    """Read a collection's catalog; an empty record where there is no collection."""
    return read_record(database) if (database / "collection.json").exists() else EMPTY


def read_export(folder: Path) -> Record:
    """Read an export; its ids are left out, because an import gives new ones.

    Raises:
        OSError, ValueError, KeyError: it is not whole.
    """
    contents: dict[str, bytes] = {}
    json.loads((folder / "unite_search.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*/*_emb/*_emb_*.npy")):
        number = path.stem.rsplit("_", 1)[1]
        rows = pq.read_table(path.parents[1] / "metadata" / f"metadata_{number}.parquet")
        vectors = np.load(path, allow_pickle=False)
        if len(vectors) != len(rows):
            raise ValueError(f"{path} has {len(vectors)} rows, its metadata {len(rows)}")
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        names = [RENAMED.get(name, name) for name in rows.schema.names]
        contents |= _record(rows.rename_columns(names).append_column("embedding", flat)).contents
    return Record(contents, {})


def differences(now: Record, before: Record, after: Record) -> list[str]:
    """Compare what is there now with the states before and after a command, file by file; return what is wrong.

    Each file must be as before or as after the command, whole, and must be there if it is there in both; and a file
    that did not change keeps its ids, because another id means that it was embedded again.
    """
    wrong = []
    for uri in now.contents.keys() | before.contents.keys() | after.contents.keys():
        allowed = {before.contents.get(uri), after.contents.get(uri)}
        found = now.contents.get(uri)
        if found not in allowed:
            wrong.append(f"{'lost' if found is None else 'changed'}: {uri}")
        elif found is not None and found == before.contents.get(uri) and now.ids and now.ids[uri] != before.ids[uri]:
            wrong.append(f"embedded again: {uri}")
    return wrong


def listing(folder: Path) -> dict[str, int]:
    """Return the size of each file below a folder, by its name."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def pattern(name: str) -> str:
    """Return a file name without its numbers, which differ from run to run."""
    return _NUMBERS.sub("#", name)


def _record(table: pa.Table) -> Record:
    digests: dict[str, list[bytes]] = {}
    ids: dict[str, list[int]] = {}
    for uri, id_, digest in _rows(table.sort_by("id")):
        digests.setdefault(uri, []).append(digest)
        ids.setdefault(uri, []).append(id_)
    contents = {uri: _digest(b"".join(parts)) for uri, parts in digests.items()}
    return Record(contents, {uri: tuple(numbers) for uri, numbers in ids.items()})


def _rows(table: pa.Table) -> Iterator[tuple[str, int, bytes]]:
    others = [name for name in COLUMNS if name not in ("id", "embedding")]
    for batch in table.to_batches():
        flat = batch.column("embedding").flatten().to_numpy(zero_copy_only=False).astype(np.float16)
        vectors = flat.reshape(len(batch), -1)
        values = zip(*(batch.column(name).to_pylist() for name in others), strict=True)
        for id_, vector, row in zip(batch.column("id").to_pylist(), vectors, values, strict=True):
            yield row[0], id_, _digest(repr(row).encode() + vector.tobytes())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
