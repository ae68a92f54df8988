"""Write made-up vectors in the layout of clip-retrieval, as `unite-search export` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from indexers.unit import unit_rows
from unite_search.encoders.base import Encoder
from unite_search.storage.export import CAPTION, ENCODER_FILE, PATH


def write_export(
    folder: Path, rows: NDArray[np.float32], encoder: Encoder, captions: Sequence[str] | None = None
) -> None:
    """Write (N, D) unit rows as if an encoder had made them from N images, or from N images with captions."""
    shard = folder if captions is None else folder / "text+image"
    for part in ("img_emb", "metadata"):
        (shard / part).mkdir(parents=True)
    np.save(shard / "img_emb" / "img_emb_0.npy", rows)
    names = [f"/photos/{number:07}.jpg" for number in range(len(rows))]
    captions = captions or [f"picture number {number}" for number in range(len(rows))]
    pq.write_table(pa.table({PATH: names, CAPTION: captions}), shard / "metadata" / "metadata_0.parquet")
    about = {"encoder": encoder.name, "fingerprint": encoder.fingerprint, "dim": rows.shape[1]}
    (folder / ENCODER_FILE).write_text(json.dumps(about), encoding="utf-8")


def random_rows(count: int, dim: int) -> NDArray[np.float32]:
    """Draw (count, dim) unit rows without structure, the same every time."""
    return unit_rows(np.random.default_rng(0).normal(size=(count, dim)))
