"""Import of existing embeddings: an export of this program, or a plain clip-retrieval folder.

Vectors are scaled to unit length. Columns of a plain folder's parquet files beyond path and caption become the item's
metadata.

Source: rom1504/clip-retrieval clip_inference/writer.py (names, columns, alignment by order).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from indexers.unit import unit_rows
from unite_search.errors import UniteSearchError
from unite_search.media.types import MediaFile
from unite_search.modality import Modality
from unite_search.storage.catalog import Change
from unite_search.storage.export import CAPTION, PATH, ExportSource, read_source
from unite_search.storage.metadata import CollectionMetadata, IdCounter
from unite_search.storage.rows import Row, placed
from unite_search.storage.store import Store

RECIPE = "imported"
UNKNOWN_ENCODER = "imported"


def import_vectors(source: Path, directory: Path) -> None:
    """Create a collection from the vectors of a folder.

    Raises:
        UniteSearchError: there are no embeddings, or embeddings and metadata do not align.
    """
    made_by = read_source(source) or ExportSource(
        encoder=UNKNOWN_ENCODER, fingerprint=UNKNOWN_ENCODER, dim=embedding_dim(source)
    )
    store = Store.create(
        directory, CollectionMetadata(encoder=made_by.encoder, fingerprint=made_by.fingerprint, dim=made_by.dim)
    )
    with store.writing() as ids:
        for rows in read_rows(source, ids):
            store.catalog.commit(Change(new=rows))


def embedding_dim(directory: Path) -> int:
    """Return the vector length of the embeddings in a folder.

    Raises:
        UniteSearchError: there are none.
    """
    return int(np.load(_embedding_files(directory)[0], mmap_mode="r", allow_pickle=False).shape[1])


def read_rows(directory: Path, ids: IdCounter) -> Iterator[list[Row]]:
    """Stream the rows of a folder with new ids, one list per shard; items of one file share a parent.

    Raises:
        UniteSearchError: there are no embeddings, or embeddings and metadata do not align.
    """
    for path in _embedding_files(directory):
        folder = path.parent.parent
        plain = "text" if path.stem.startswith("text") else "image"
        modality = Modality.from_partition(plain if folder == directory else folder.name)
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False)
        metadata = folder / "metadata" / f"metadata_{path.stem.rsplit('_', 1)[1]}.parquet"
        known = pq.read_table(metadata).to_pylist() if metadata.exists() else [{} for _ in embeddings]
        if embeddings.ndim != 2 or len(known) != len(embeddings):
            raise UniteSearchError(f"{path} has shape {embeddings.shape}, but {metadata.name} has {len(known)} rows")
        rows = [
            (_own_row if "content_hash" in old else _foreign_row)(old, vector, modality, path)
            for old, vector in zip(known, unit_rows(embeddings), strict=True)
        ]
        yield _with_new_ids(rows, ids)


def _embedding_files(directory: Path) -> list[Path]:
    found = sorted([*directory.glob("*_emb/*_emb_*.npy"), *directory.glob("*/*_emb/*_emb_*.npy")])
    if not found:
        raise UniteSearchError(f"no img_emb/img_emb_*.npy or text_emb/text_emb_*.npy below {directory}")
    return found


def _own_row(old: dict[str, Any], vector: NDArray[np.float32], modality: Modality, _: Path) -> Row:
    return {**old, "uri": old[PATH], "text": old[CAPTION], **_columns_of(modality), "embedding": vector}


def _columns_of(modalities: Modality) -> Row:
    return {"modality": modalities.main, "partition": modalities.partition}


def _foreign_row(old: dict[str, Any], vector: NDArray[np.float32], modality: Modality, path: Path) -> Row:
    digest = hashlib.blake2b(vector.tobytes(), digest_size=16).hexdigest()
    given = Path(old.get(PATH) or path.parent / digest).absolute()
    exists = given.is_file()
    file = MediaFile(
        path=given,
        modality=modality.main,
        size_bytes=given.stat().st_size if exists else 0,
        mtime_ns=given.stat().st_mtime_ns if exists else 0,
    )
    rest = {name: value for name, value in old.items() if name not in (PATH, CAPTION)}
    row = {
        "parent": str(given),
        **_columns_of(modality),
        "content_hash": digest,
        "recipe": RECIPE,
        "embedding": vector,
        "text": old.get(CAPTION),
        "metadata": json.dumps(rest, ensure_ascii=False, default=str),
    }
    return placed(row, file)


def _with_new_ids(rows: list[Row], ids: IdCounter) -> list[Row]:
    parents: dict[Any, int] = {}
    return [
        {**row, "id": id_, "parent": parents.setdefault(row["parent"], id_)}
        for row, id_ in zip(rows, ids.take(len(rows)), strict=True)
    ]
