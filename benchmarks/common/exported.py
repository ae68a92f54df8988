"""Vectors in the layout of clip-retrieval, as `export` writes them, made up instead of indexed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unite_search.encoders.base import Encoder
from unite_search.storage.export import CAPTION, ENCODER_FILE, PATH


def write_export(folder: Path, rows: NDArray[np.float32], encoder: Encoder) -> None:
    """Write (N, D) unit rows as the embeddings of N pictures that one encoder made."""
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir(parents=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", rows)
    names = [f"/photos/{number:07}.jpg" for number in range(len(rows))]
    captions = [f"picture number {number}" for number in range(len(rows))]
    pq.write_table(pa.table({PATH: names, CAPTION: captions}), folder / "metadata" / "metadata_0.parquet")
    about = {"encoder": encoder.name, "fingerprint": encoder.fingerprint, "dim": rows.shape[1]}
    (folder / ENCODER_FILE).write_text(json.dumps(about), encoding="utf-8")


def random_rows(count: int, dim: int) -> NDArray[np.float32]:
    """(count, dim) unit rows without structure."""
    rows = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
