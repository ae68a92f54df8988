"""Read and write files of other tools: Faiss indexes, folders of `.npy` or Parquet embeddings, `index_infos.json`.

Source of the folder layout and of the keys: criteo/autofaiss, `build_index` and `external/optimize.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from indexers.arrays import Embeddings, Ids
from indexers.atomic import write_text
from indexers.engine import faiss
from indexers.errors import DamagedIndexError, DimensionError
from indexers.faiss_index import FaissIndex
from indexers.spec import IndexConfig

COLUMNS = ("embedding", "embeddings")
BATCH_ROWS = 65_536
FLOAT32_BYTES = 4
MEASURED_ROWS = 200
RECALL_DEPTH = 20


def read_faiss(path: Path, *, config: IndexConfig | None = None) -> FaissIndex:
    """Read a Faiss file; ids are those of an `IndexIDMap` or of inverted lists, otherwise row numbers.

    Rows are those that the file holds; an index of compressed codes returns the decoded ones.

    Raises:
        DamagedIndexError: the file cannot be read, or its rows cannot be reconstructed.
        ValueError: its metric is not the inner product.
    """
    try:
        found = faiss.read_index(str(path))
        if found.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(f"{path} ranks by metric {found.metric_type}; expected inner product (0)")
        ids, rows = _content(found)
    except RuntimeError as error:
        raise DamagedIndexError(f"{path} cannot be read as a Faiss index of rows") from error
    index = FaissIndex(int(found.d), config)
    index.add(ids, rows)
    index.compact()
    return index


def write_faiss(index: FaissIndex, path: Path) -> None:
    """Compact an index and write it as one plain Faiss file, an `IndexIDMap2` over an index of the same kind."""
    if len(index._state.delta) or index._state.base.deleted_count:
        index.compact()
    base = index._state.base
    inner = base.rows.index if base.approximate is None else base.approximate.index
    wrapped = faiss.IndexIDMap2(faiss.IndexFlatIP(index.dim))
    wrapped.index, wrapped.ntotal = inner, inner.ntotal
    faiss.copy_array_to_vector(np.ascontiguousarray(base.all_ids), wrapped.id_map)
    wrapped.construct_rev_map()
    faiss.write_index(wrapped, str(path))


def read_embeddings(folder: Path) -> Iterator[tuple[Ids, Embeddings]]:
    """Read every `.npy` or Parquet file of a folder, in the order of their names.

    Ids come from an int64 column `id` in Parquet files; other rows are numbered consecutively over all files.

    Yields:
        (n,) ids and (n, D) float32 rows.

    Raises:
        FileNotFoundError: the folder holds neither kind of file.
        DimensionError: a file holds no (N, D) array, or no column of embeddings.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".npy", ".parquet"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no .npy and no .parquet file")
    start = 0
    for path in paths:
        for ids, rows in _npy_batches(path) if path.suffix == ".npy" else _parquet_batches(path):
            if rows.ndim != 2:
                raise DimensionError(f"{path} holds an array of shape {rows.shape}; expected (N, D)")
            yield (start + np.arange(len(rows)) if ids is None else ids), rows
            start += len(rows)


def write_infos(index: FaissIndex, path: Path, folder: Path) -> None:
    """Measure an index that was written to `path` on 200 of its rows, and write `index_infos.json` to `folder`."""
    queries = index.sample(MEASURED_ROWS)
    times, found = [], []
    for query in queries:
        start = perf_counter()
        found.append(index.search(query[None], min(RECALL_DEPTH, len(index)))[1][0])
        times.append(1e3 * (perf_counter() - start))
    truth = index.search_exact(queries, min(RECALL_DEPTH, len(index)))[1]
    size = path.stat().st_size
    infos = {
        "index_key": index.spec,
        "index_param": _search_parameter(index),
        "index_path": str(path),
        "size in bytes": size,
        "avg_search_speed_ms": float(np.mean(times)),
        "99p_search_speed_ms": float(np.quantile(times, 0.99)),
        "nb vectors": len(index),
        "vectors dimension": index.dim,
        "compression ratio": FLOAT32_BYTES * index.dim * len(index) / size,
        "1-recall@20": float(np.mean([first in row for first, row in zip(truth[:, 0], found, strict=True)])),
        "20-recall@20": float(np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)])),
    }
    write_text(folder / "index_infos.json", json.dumps(infos, indent=2) + "\n")


def _search_parameter(index: FaissIndex) -> str:
    """Return the search parameter as autofaiss writes it, such as `nprobe=16`; empty if there is none."""
    approximate, tuning = index._state.base.approximate, index._state.tuning
    if approximate is None or tuning is None or not approximate.parameter_name:
        return ""
    return f"{approximate.parameter_name}={tuning.parameter_for(RECALL_DEPTH)}"


def _content(index: Any) -> tuple[Ids, Embeddings]:
    if isinstance(index, faiss.IndexIDMap):
        return faiss.vector_to_array(index.id_map), faiss.downcast_index(index.index).reconstruct_n(0, index.ntotal)
    if not isinstance(index, faiss.IndexIVF):
        return np.arange(index.ntotal), index.reconstruct_n(0, index.ntotal)
    lists = [_ids_of_cell(index.invlists, cell) for cell in range(index.nlist)]
    ids = np.sort(np.concatenate(lists))
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    return ids, index.reconstruct_batch(ids)


def _ids_of_cell(invlists: Any, cell: int) -> Ids:
    count = invlists.list_size(cell)
    return faiss.rev_swig_ptr(invlists.get_ids(cell), count).copy() if count else np.empty(0, np.int64)


def _npy_batches(path: Path) -> Iterator[tuple[None, Embeddings]]:
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    for start in range(0, len(rows), BATCH_ROWS):
        yield None, np.array(rows[start : start + BATCH_ROWS], np.float32)


def _parquet_batches(path: Path) -> Iterator[tuple[Ids | None, Embeddings]]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    column = next((name for name in COLUMNS if name in names), None)
    if column is None:
        raise DimensionError(f"{path} has columns {', '.join(names)}; expected {' or '.join(COLUMNS)}")
    wanted = [column, "id"] if "id" in names else [column]
    for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
        rows = np.stack(batch.column(column).to_numpy(zero_copy_only=False)).astype(np.float32)
        yield (batch.column("id").to_numpy().astype(np.int64) if "id" in wanted else None), rows
