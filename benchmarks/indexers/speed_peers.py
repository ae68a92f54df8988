"""Other libraries on the same rows, each with the cheapest setting that reaches a recall@10 of 0.99."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common.timing import Call, cost, faiss_settings, in_turns
from benchmarks.indexers.speed import NAME, TOP, Data
from indexers.engine import faiss
from indexers.spec import cells_for

TARGET = 0.99
GRAPH_PARAMETERS = (16, 32, 64, 128, 256, 512, 1024)
GRAPH_ROWS = 200_000
"""Graphs of more rows take too long to build for this benchmark."""
THREADS = faiss.omp_get_max_threads()
RECALL_QUERIES = 128

Search = Callable[[Any], Any]
"""(1, D) query -> (K,) row numbers."""
Setting = tuple[str, Search]


def run(data: Data) -> dict[str, Any]:
    """Measure each library: its setting, recall, milliseconds per query, seconds to build."""
    table: dict[str, Any] = {}
    searches: dict[str, Call] = {}
    dim = data.rows.shape[1]
    for name, peer in PEERS.items():
        table[name], search = _measure(data, peer)
        if search is not None:
            searches[name] = partial(_ask, data, search)
    with faiss_settings(threads=1, has_blas=True, dim=dim):
        for name, spent in in_turns(searches).items():
            table[name] |= {"query_ms": round(spent.wall_ms, 4), "query_cpu_ms": round(spent.cpu_ms, 4)}
    return {"checks": {}, "default": data.default, "peers": table}


def _ask(data: Data, search: Search, turn: int) -> object:
    return search(data.queries[turn % len(data.queries)][None])


def _measure(data: Data, peer: Callable[[Data], Iterator[Setting]]) -> tuple[dict[str, Any], Search | None]:
    settings, first = peer(data), list[Setting]()
    dim = data.rows.shape[1]
    try:
        with faiss_settings(threads=THREADS, has_blas=True, dim=dim):
            build = cost(lambda: first.append(next(settings)))
    except ImportError as error:
        return {"skipped": f"{error.name} is not installed"}, None
    except StopIteration:
        return {"skipped": f"not built for {len(data.rows):,} rows"}, None
    row: dict[str, Any] = {"build_s": build.wall_s, "build_cpu_s": build.cpu_s}
    search: Search | None = None
    with faiss_settings(threads=1, has_blas=True, dim=dim):
        for setting, search in (*first, *settings):
            found = np.vstack([search(query[None]) for query in data.queries[:RECALL_QUERIES]])
            row |= {"setting": setting, "recall": data.recall(found)}
            if row["recall"] >= TARGET:
                break
    return row, search


def _ours(spec: str, data: Data) -> Iterator[Setting]:
    with TemporaryDirectory(dir=data.folder) as folder:
        data.build(spec, Path(folder) / "index")
        index = data.opened(spec, Path(folder) / "index")
        yield spec, lambda query: index.search([NAME], query, TOP)[NAME][1][0]


def _ours_default(data: Data) -> Iterator[Setting]:
    yield from _ours(data.default, data)


def _ours_cells(data: Data) -> Iterator[Setting]:
    if data.default != data.cells:
        yield from _ours(data.cells, data)


def _ours_graph(data: Data) -> Iterator[Setting]:
    if len(data.rows) <= GRAPH_ROWS:
        yield from _ours("HNSW32", data)


def _faiss_flat(data: Data) -> Iterator[Setting]:
    index = faiss.IndexFlatIP(data.rows.shape[1])
    index.add(data.rows)
    yield "exact", lambda query: index.search(query, TOP)[1][0]


def _faiss_cells(data: Data) -> Iterator[Setting]:
    cells = cells_for(len(data.rows))
    index = faiss.index_factory(data.rows.shape[1], f"IVF{cells},SQ8,RFlat", faiss.METRIC_INNER_PRODUCT)
    index.train(data.rows)
    index.add(data.rows)
    for nprobe in (4, 8, 11, 16, 23, 32, 45, 64, 91, 128, 256, 512):
        parameters = faiss.IndexRefineSearchParameters(
            k_factor=4, base_index_params=faiss.SearchParametersIVF(nprobe=nprobe)
        )
        yield f"IVF{cells},SQ8,RFlat nprobe {nprobe}", partial(_search_faiss, index, parameters)


def _faiss_graph(data: Data) -> Iterator[Setting]:
    if len(data.rows) > GRAPH_ROWS:
        return
    index = faiss.index_factory(data.rows.shape[1], "HNSW32", faiss.METRIC_INNER_PRODUCT)
    index.add(data.rows)
    for ef in GRAPH_PARAMETERS:
        parameters = faiss.SearchParametersHNSW(efSearch=ef)
        yield f"HNSW32 efSearch {ef}", partial(_search_faiss, index, parameters)


def _hnswlib(data: Data) -> Iterator[Setting]:
    hnswlib = import_module("hnswlib")
    if len(data.rows) > GRAPH_ROWS:
        return
    index = hnswlib.Index(space="ip", dim=data.rows.shape[1])
    index.init_index(max_elements=len(data.rows), M=16, ef_construction=200)
    index.add_items(data.rows, num_threads=THREADS)
    for ef in GRAPH_PARAMETERS:

        def search(query: Any, ef: int = ef) -> Any:
            index.set_ef(ef)
            return index.knn_query(query, TOP, num_threads=1)[0][0].astype(np.int64)

        yield f"M 16, ef {ef}", search


def _usearch(data: Data) -> Iterator[Setting]:
    usearch = import_module("usearch.index")
    if len(data.rows) > GRAPH_ROWS:
        return
    index = usearch.Index(ndim=data.rows.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(data.rows)), data.rows, threads=THREADS)
    for ef in GRAPH_PARAMETERS:

        def search(query: Any, ef: int = ef) -> Any:
            index.expansion_search = ef
            return index.search(query[0], TOP, threads=1).keys.astype(np.int64)

        yield f"expansion {ef}", search


def _numpy(data: Data) -> Iterator[Setting]:
    def search(query: Any) -> Any:
        scores = data.rows @ query[0]
        best = np.argpartition(-scores, TOP)[:TOP]
        return best[np.argsort(-scores[best])]

    yield "exact", search


def _lancedb_table(data: Data) -> Any:
    lancedb, pa = import_module("lancedb"), import_module("pyarrow")
    dim = data.rows.shape[1]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(data.rows.ravel()), dim)
    table = pa.table({"id": np.arange(len(data.rows)), "vector": flat})
    return lancedb.connect(data.folder / "lancedb").create_table("rows", table, mode="overwrite")


def _lancedb_scan(data: Data) -> Iterator[Setting]:
    table = _lancedb_table(data)
    yield "exact", lambda query: _ids(table.search(query[0]).metric("dot"))


def _lancedb_graph(data: Data) -> Iterator[Setting]:
    table = _lancedb_table(data)
    if len(data.rows) > GRAPH_ROWS:
        return
    table.create_index(metric="dot", index_type="IVF_HNSW_SQ", num_partitions=4)
    for ef in GRAPH_PARAMETERS[2:]:
        yield f"IVF_HNSW_SQ 4 partitions, ef {ef}, refined", partial(_search_lancedb, table, ef)


def _search_faiss(index: Any, parameters: Any, query: Any) -> Any:
    return index.search(query, TOP, params=parameters)[1][0]


def _search_lancedb(table: Any, ef: int, query: Any) -> Any:
    return _ids(table.search(query[0]).metric("dot").nprobes(4).ef(ef).refine_factor(4))


def _ids(search: Any) -> Any:
    return search.select(["id"]).limit(TOP).to_arrow()["id"].to_numpy()


PEERS: dict[str, Callable[[Data], Iterator[Setting]]] = {
    "unite-search": _ours_default,
    "unite-search, cells": _ours_cells,
    "unite-search, graph": _ours_graph,
    "Faiss Flat": _faiss_flat,
    "Faiss IVF,SQ8 refined": _faiss_cells,
    "Faiss HNSW": _faiss_graph,
    "hnswlib": _hnswlib,
    "usearch": _usearch,
    "LanceDB index": _lancedb_graph,
    "LanceDB scan": _lancedb_scan,
    "numpy": _numpy,
}
