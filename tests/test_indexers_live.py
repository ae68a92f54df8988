"""Every kind of index under thousands of random changes, stored and reopened in between, against a dictionary."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from indexers import faiss_index, row_filter
from indexers.engine import faiss
from indexers.partitioned import PartitionedIndex
from indexers.spec import IndexConfig

DIM = 16
NAME = "image"
EXACT_SPECS = ("float32", "float16")
APPROXIMATE_SPECS = ("int8", "IVF16,int8", "IVF8,Flat", "HNSW8,SQ8", "PCA8,Flat")
KNOWN_IDS = st.integers(0, 400)
ANY_IDS = st.one_of(KNOWN_IDS, st.integers(2**40, 2**40 + 50))
SCORE_TOLERANCE = 1e-5
HISTORIES = 12


def row_of(id_: int, version: int) -> np.ndarray:
    row = np.random.default_rng([id_, version]).normal(size=DIM)
    return np.asarray((row / np.linalg.norm(row)).astype(np.float16).astype(np.float32))


class History(RuleBasedStateMachine):
    """What a dictionary of id to row would answer, beside what the index does."""

    spec = "float32"
    done: Counter[str]
    """How often each rule was tried, over all histories of a kind of index."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[int, np.ndarray] = {}
        self.version = 0
        self.index = PartitionedIndex.create(self.folder, dim=DIM, fingerprint="toy", config=self.config)

    @property
    def config(self) -> IndexConfig:
        return IndexConfig(spec=self.spec)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(count=st.sampled_from([0, 10, 400]))
    def fill(self, count: int) -> None:
        self.upsert(set(range(count)))

    @rule(ids=st.sets(ANY_IDS, max_size=60))
    def upsert(self, ids: set[int]) -> None:
        self.done["upsert"] += 1
        self.version += 1
        rows = {id_: row_of(id_, self.version) for id_ in ids}
        replaced = self.index.upsert(NAME, as_ids(rows), stacked(rows.values()))
        assert replaced == len(ids & self.model.keys())
        self.model |= rows

    @rule(ids=st.sets(st.integers(401, 500), max_size=20))
    def add(self, ids: set[int]) -> None:
        self.done["add"] += 1
        rows = {id_: row_of(id_, self.version) for id_ in ids - self.model.keys()}
        self.index.add(NAME, as_ids(rows), stacked(rows.values()))
        self.model |= rows

    @rule(ids=st.sets(ANY_IDS, max_size=120))
    def remove(self, ids: set[int]) -> None:
        self.done["remove"] += 1
        assert self.index.remove(as_ids(ids)) == len(ids & self.model.keys())
        self.model = {id_: row for id_, row in self.model.items() if id_ not in ids}

    @rule()
    def reopen(self) -> None:
        self.done["reopen"] += 1
        self.index.save(version=self.version)
        self.index = PartitionedIndex.open(self.folder, dim=DIM, fingerprint="toy", config=self.config)
        assert self.index.problems == []
        assert self.index.verify() == []

    @invariant()
    def holds_the_same(self) -> None:
        assert sorted(self.index.ids(NAME).tolist()) == sorted(self.model)
        if self.model:
            ids = as_ids(self.model)
            assert np.array_equal(self.index.reconstruct(NAME, ids), stacked(self.model.values()))

    @rule(
        share=st.sampled_from([None, 0.0, 0.02, 0.3, 0.8, 1.0]),
        as_bits=st.booleans(),
        queries=st.sampled_from([1, 9]),
        k=st.sampled_from([1, 10, 700]),
        seed=st.integers(0, 99),
    )
    def search(self, share: float | None, as_bits: bool, queries: int, k: int, seed: int) -> None:
        if not self.model:
            return
        self.done["search"] += 1
        rng = np.random.default_rng(seed)
        competing = sorted(id_ for id_ in self.model if share is None or rng.random() < share)
        asked = unit(queries, rng)
        allowed = None if share is None else as_ids([*competing, 10**6])
        if allowed is not None and as_bits and max(competing, default=0) < 1000:
            allowed = np.isin(np.arange(1000), allowed)
        elif allowed is not None:
            allowed = np.sort(allowed)
        scores, ids = self.index.search([NAME], asked, k, allowed=allowed)[NAME]
        for query, row_scores, row_ids in zip(asked, scores, ids, strict=True):
            self.check(query, row_scores, row_ids, competing)

    def check(self, query: np.ndarray, scores: np.ndarray, ids: np.ndarray, competing: list[int]) -> None:
        found = min(len(ids), len(competing))
        assert (ids[found:] == -1).all()
        assert np.isneginf(scores[found:]).all()
        assert len(set(ids[:found].tolist())) == found
        assert set(ids[:found].tolist()) <= set(competing)
        assert (np.diff(scores[:found]) <= SCORE_TOLERANCE).all()
        true = stacked([self.model[id_] for id_ in ids[:found].tolist()]) @ query
        assert np.allclose(scores[:found], true, atol=SCORE_TOLERANCE)
        if self.spec in EXACT_SPECS:
            best = np.sort(stacked([self.model[id_] for id_ in competing]) @ query)[::-1][:found]
            assert np.allclose(scores[:found], best, atol=SCORE_TOLERANCE)


def as_ids(ids: object) -> np.ndarray:
    return np.array(list(ids), np.int64)  # type: ignore[call-overload]


def stacked(rows: object) -> np.ndarray:
    return np.array(list(rows), np.float32).reshape(-1, DIM)  # type: ignore[call-overload]


def unit(count: int, rng: np.random.Generator) -> np.ndarray:
    rows = rng.normal(size=(count, DIM))
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("small_rows", [0, 20_000], ids=["delta kept", "compacted"])
@pytest.mark.parametrize("spec", [*EXACT_SPECS, *APPROXIMATE_SPECS])
def test_any_history_answers_like_a_dictionary(monkeypatch: pytest.MonkeyPatch, spec: str, small_rows: int) -> None:
    monkeypatch.setattr(faiss_index, "SMALL_ROWS", small_rows)
    monkeypatch.setattr(row_filter, "GATHER_ROWS", 5)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    machine: type[History] = type("History", (History,), {"spec": spec, "done": Counter()})
    histories = settings(
        max_examples=HISTORIES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    try:
        run_state_machine_as_test(machine, settings=histories)
    finally:
        faiss.omp_set_num_threads(threads)
    assert machine.done.keys() == {"upsert", "add", "remove", "reopen", "search"}
    assert machine.done.total() >= 5 * HISTORIES
