"""What a user would pick instead, on the same rows: each with the cheapest setting that reaches recall@10 of 0.99."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.speed import NAME, TOP, Data
from benchmarks.timing import faiss_settings, in_turns, seconds
from indexers.engine import faiss
from indexers.spec import cells_for

TARGET = 0.99
EFFORTS = (16, 32, 64, 128, 256, 512, 1024)
GRAPH_ROWS = 200_000
"""Graphs of more rows take longer to build than this benchmark may."""
THREADS = 2
SLOW_S = 0.02
RECALL_QUERIES = 128

Search = Callable[[Any], Any]
"""(1, D) query to (K,) row numbers."""
Setting = tuple[str, Search]


def run(data: Data) -> dict[str, Any]:
    """One row a peer: its setting, recall, milliseconds of CPU a query, seconds to build."""
    table: dict[str, Any] = {}
    with faiss_settings(1, data.rows.shape[1]):
        for name, peer in PEERS.items():
            table[name], search = _measure(data, peer)
            if search is not None:
                table[name]["query_ms"] = round(_query_ms(data, search), 4)
    return table


def _query_ms(data: Data, search: Search) -> float:
    def ask(turn: int) -> object:
        return search(data.queries[turn % len(data.queries)][None])

    return in_turns({"": ask}, repeats=2 if seconds(lambda: ask(0)) > SLOW_S else 100)[""]


def _measure(data: Data, peer: Callable[[Data], Iterator[Setting]]) -> tuple[dict[str, Any], Search | None]:
    settings = peer(data)
    row: dict[str, Any] = {}
    try:
        first: list[Setting] = []
        row["build_s"] = round(seconds(lambda: first.append(next(settings))), 2)
    except ImportError as error:
        return {"skipped": f"{error.name} is not installed"}, None
    except StopIteration:
        return {"skipped": f"not built for {len(data.rows)} rows"}, None
    search: Search | None = None
    for setting, search in (*first, *settings):
        found = np.vstack([search(query[None]) for query in data.queries[:RECALL_QUERIES]])
        row |= {"setting": setting, "recall": data.recall(found)}
        if row["recall"] >= TARGET:
            break
    return row, search


def _ours(data: Data) -> Iterator[Setting]:
    index = data.stored(None)
    yield index.partition(NAME).spec, lambda query: index.search([NAME], query, TOP)[NAME][1][0]


def _faiss_flat(data: Data) -> Iterator[Setting]:
    index = faiss.IndexFlatIP(data.rows.shape[1])
    index.add(data.rows)
    yield "exact", lambda query: index.search(query, TOP)[1][0]


def _faiss_cells(data: Data) -> Iterator[Setting]:
    cells = cells_for(len(data.rows))
    index = faiss.index_factory(data.rows.shape[1], f"IVF{cells},SQ8,RFlat", faiss.METRIC_INNER_PRODUCT)
    index.train(data.rows)
    index.add(data.rows)
    for effort in (4, 8, 11, 16, 23, 32, 45, 64, 91, 128, 256, 512):
        parameters = faiss.IndexRefineSearchParameters(
            k_factor=4, base_index_params=faiss.SearchParametersIVF(nprobe=effort)
        )
        yield f"IVF{cells},SQ8,RFlat nprobe {effort}", partial(_search_faiss, index, parameters)


def _faiss_graph(data: Data) -> Iterator[Setting]:
    if len(data.rows) > GRAPH_ROWS:
        return
    index = faiss.index_factory(data.rows.shape[1], "HNSW32", faiss.METRIC_INNER_PRODUCT)
    faiss.omp_set_num_threads(THREADS)
    index.add(data.rows)
    faiss.omp_set_num_threads(1)
    for effort in EFFORTS:
        parameters = faiss.SearchParametersHNSW(efSearch=effort)
        yield f"HNSW32 efSearch {effort}", partial(_search_faiss, index, parameters)


def _hnswlib(data: Data) -> Iterator[Setting]:
    hnswlib = import_module("hnswlib")
    if len(data.rows) > GRAPH_ROWS:
        return
    index = hnswlib.Index(space="ip", dim=data.rows.shape[1])
    index.init_index(max_elements=len(data.rows), M=16, ef_construction=200)
    index.add_items(data.rows, num_threads=THREADS)
    for effort in EFFORTS:

        def search(query: Any, ef: int = effort) -> Any:
            index.set_ef(ef)
            return index.knn_query(query, TOP, num_threads=1)[0][0].astype(np.int64)

        yield f"M 16, ef {effort}", search


def _usearch(data: Data) -> Iterator[Setting]:
    usearch = import_module("usearch.index")
    if len(data.rows) > GRAPH_ROWS:
        return
    index = usearch.Index(ndim=data.rows.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(data.rows)), data.rows, threads=THREADS)
    for effort in EFFORTS:

        def search(query: Any, ef: int = effort) -> Any:
            index.expansion_search = ef
            return index.search(query[0], TOP, threads=1).keys.astype(np.int64)

        yield f"expansion {effort}", search


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
    for effort in EFFORTS[2:]:
        yield f"IVF_HNSW_SQ 4 partitions, ef {effort}, refined", partial(_search_lancedb, table, effort)


def _search_faiss(index: Any, parameters: Any, query: Any) -> Any:
    return index.search(query, TOP, params=parameters)[1][0]


def _search_lancedb(table: Any, effort: int, query: Any) -> Any:
    return _ids(table.search(query[0]).metric("dot").nprobes(4).ef(effort).refine_factor(4))


def _ids(search: Any) -> Any:
    return search.select(["id"]).limit(TOP).to_arrow()["id"].to_numpy()


PEERS: dict[str, Callable[[Data], Iterator[Setting]]] = {
    "unite-search": _ours,
    "Faiss Flat": _faiss_flat,
    "Faiss IVF,SQ8 refined": _faiss_cells,
    "Faiss HNSW": _faiss_graph,
    "hnswlib": _hnswlib,
    "usearch": _usearch,
    "LanceDB index": _lancedb_graph,
    "LanceDB scan": _lancedb_scan,
    "numpy": _numpy,
}
