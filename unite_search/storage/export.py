"""Export in the layout of clip-retrieval: `.npy` embeddings and parquet metadata, aligned by order.

Each partition becomes a folder, because scores are comparable only inside a partition: `DIR/image/img_emb/
img_emb_0.npy`, `DIR/image/metadata/metadata_0.parquet`; text goes to `text_emb`. `DIR/unite_search.json` names the
encoder. `imports` reads such a folder back.

Source: rom1504/clip-retrieval clip_inference/writer.py (names and columns).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unite_search import strict_json
from unite_search.errors import UniteSearchError
from unite_search.storage.catalog import Catalog
from unite_search.storage.row_checksums import vectors_of
from unite_search.storage.whole_folder import whole_folder

ENCODER_FILE = "unite_search.json"
SHARD_ROWS = 100_000
CAPTION, PATH = "caption", "image_path"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """How many items were written, in how many files."""

    items: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSource:
    """The encoder of exported vectors."""

    encoder: str
    fingerprint: str
    dim: int


def export_partitions(catalog: Catalog, source: ExportSource, directory: Path) -> ExportReport:
    """Write every partition of a catalog; the folder is there whole or not at all.

    Raises:
        UniteSearchError: the folder is not empty, or cannot be written.
    """
    try:
        with whole_folder(directory, last=ENCODER_FILE) as folder:
            return _write_partitions(catalog, source, folder)
    except OSError as error:
        reason = error.strerror or "is the disk full?"  # NumPy says only how many bytes it has written.
        raise UniteSearchError(f"{directory} cannot be written: {reason}") from error


def _write_partitions(catalog: Catalog, source: ExportSource, directory: Path) -> ExportReport:
    files, partitions = 0, catalog.ids_by_partition()
    for name, ids in sorted(partitions.items()):
        wanted = np.sort(ids)
        for number, start in enumerate(range(0, len(wanted), SHARD_ROWS)):
            digits = len(str((len(wanted) - 1) // SHARD_ROWS))
            shard = catalog.table(wanted[start : start + SHARD_ROWS])
            _write_shard(directory / name, f"{number:0{digits}}", shard)
            files += 2
    about = {"encoder": source.encoder, "fingerprint": source.fingerprint, "dim": source.dim}
    (directory / ENCODER_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return ExportReport(items=sum(map(len, partitions.values())), files=files + 1)


def _write_shard(folder: Path, number: str, rows: pa.Table) -> None:
    kind = "text" if folder.name == "text" else "img"
    embeddings = folder / f"{kind}_emb" / f"{kind}_emb_{number}.npy"
    metadata = folder / "metadata" / f"metadata_{number}.parquet"
    for path in (embeddings, metadata):
        path.parent.mkdir(parents=True, exist_ok=True)
    np.save(embeddings, vectors_of(rows["embedding"]))
    names = {"uri": PATH, "text": CAPTION}
    columns = [name for name in rows.column_names if name != "embedding"]
    plain = rows.select(columns).rename_columns([names.get(name, name) for name in columns])
    place = plain.schema.get_field_index("metadata")
    texts = pa.chunked_array([chunk.storage for chunk in plain["metadata"].chunks], pa.utf8())
    pq.write_table(plain.set_column(place, "metadata", texts), metadata)


def read_source(directory: Path) -> ExportSource | None:
    """Read which encoder made an export; None for a folder that does not say.

    Raises:
        UniteSearchError: the file that says it is damaged.
    """
    path = directory / ENCODER_FILE
    try:
        about = strict_json.loads(path.read_text(encoding="utf-8"))
        made_by = ExportSource(encoder=about["encoder"], fingerprint=about["fingerprint"], dim=about["dim"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise UniteSearchError(f"{path} is damaged: {error}") from error
    texts = (made_by.encoder, made_by.fingerprint)
    if not all(isinstance(text, str) and text for text in texts) or type(made_by.dim) is not int or made_by.dim < 1:
        raise UniteSearchError(f"{path} is damaged: it names no encoder, fingerprint and number of dimensions")
    return made_by
