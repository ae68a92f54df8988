"""Refreshing while others write: in step with the catalog at every moment, and nothing is kept that is not needed."""

from __future__ import annotations

import gc
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.query import Query, SearchOptions
from unite_search.storage import compaction, sync
from unite_search.storage import store as store_module
from unite_search.storage.locks import ReaderWriterLock
from unite_search.storage.store import Store


def add_pictures(folder: Path, run: int, count: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (20, 20), (40 * number, run, 99)).save(folder / f"{run:02}-{number}.png")


def test_a_refreshed_store_holds_what_a_fresh_one_does(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        reader = Store(tmp_path / "db")
        for run in range(4):
            add_pictures(tmp_path / "media", run)
            if run == 2:
                (tmp_path / "media" / "00-0.png").unlink()
            writer.index([tmp_path / "media"])
            assert reader.refresh()
            assert not reader.refresh()
            fresh = Store(tmp_path / "db")
            assert reader.catalog.version == fresh.catalog.version
            for name in fresh.partitions.names():
                assert sorted(reader.partitions.ids(name)) == sorted(fresh.partitions.ids(name))


def test_commits_of_a_run_that_goes_on_are_seen_whole(tmp_path: Path) -> None:
    """Every search between two commits finds exactly what one of the versions held."""
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        add_pictures(tmp_path / "media", 0)
        writer.index([tmp_path / "media"])
        reader = Collection.open(tmp_path / "db", encoder=ToyEncoder())
        seen: list[int] = []
        stopped = threading.Event()
        failures: list[Exception] = []

        def search() -> None:
            try:
                while not stopped.is_set():
                    seen.append(len(reader.search(Query.of("red"), SearchOptions(top_k=100)).hits))
            except Exception as error:  # noqa: BLE001 - whatever went wrong in a thread fails the test
                failures.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for run in range(1, 6):
            add_pictures(tmp_path / "media", run)
            writer.index([tmp_path / "media"])
            reader.refresh()
        stopped.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert set(seen) <= {3, 6, 9, 12, 15, 18}


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_files_that_were_replaced_are_let_go(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        reader = Store(tmp_path / "db")
        gc.disable()
        try:
            for run in range(6):
                add_pictures(tmp_path / "media", run)
                writer.index([tmp_path / "media"])
                reader.refresh()
            mapped = Path(f"/proc/{os.getpid()}/maps").read_text(encoding="utf-8").splitlines()
        finally:
            gc.enable()
    files = {line.split(maxsplit=5)[5] for line in mapped if str(tmp_path / "db" / "partitions") in line}
    generations = {Path(file.removesuffix(" (deleted)")).name.split(".")[1] for file in files}
    assert len(generations) <= 2
    assert np.concatenate([reader.partitions.ids(name) for name in reader.partitions.names()]).size == 18


def test_what_the_engine_caches_of_old_versions_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that has followed a writer caches as much as one that was opened now and has read the same."""
    monkeypatch.setattr(compaction, "INDEX_FROM_ROWS", 1)
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        reader = Store(tmp_path / "db")
        for run in range(6):
            add_pictures(tmp_path / "media", run)
            writer.index([tmp_path / "media"])
            reader.refresh()
            followed, fresh = cached_bytes(reader), cached_bytes(Store(tmp_path / "db"))
    assert 0 < followed < 2 * fresh


def cached_bytes(store: Store) -> int:
    """What Lance holds in memory for the store's catalog once its index of ids and its rows have been read."""
    with store.reading() as (catalog, _):
        assert len(catalog.rows(range(3), ["name"])) == 3
        return int(catalog._table.session().size_bytes())


def slow_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every thread find out what to do before any of them does it, where nothing keeps them apart."""

    def steps(*arguments: Any) -> list[sync.Step]:
        todo = list(sync.steps(*arguments))
        time.sleep(0.1)
        return todo

    monkeypatch.setattr(store_module, "steps", steps)


def test_threads_that_refresh_together_add_every_item_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as writer:
        add_pictures(tmp_path / "media", 0)
        writer.index([tmp_path / "media"])
        shared = Collection.open(tmp_path / "db", encoder=ToyEncoder())
        with writer._store.writing() as ids:  # Until the end, the commit is there and the stored partitions are old.
            writer._store.catalog.append([[{**row, "id": ids.take(1).start} for row in rows_of(writer)]])
            slow_down(monkeypatch)
            with ThreadPoolExecutor(4) as pool:
                moved = [future.result() for future in [pool.submit(shared.refresh) for _ in range(4)]]
            held = shared._store.partitions.ids("image")
            assert sorted(held) == sorted(shared._store.catalog.ids_where("true"))
            assert len(held) == 6
            assert sorted(moved) == [False, False, False, True]


def test_a_refresh_while_a_write_ends_adds_every_item_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as shared, ThreadPoolExecutor(2) as pool:
        add_pictures(tmp_path / "media", 0)
        shared.index([tmp_path / "media"])
        refreshing: list[Future[bool]] = []

        def synced(*arguments: Any) -> int:
            refreshing.extend(pool.submit(shared.refresh) for _ in range(2))
            time.sleep(0.2)
            return sync.sync(*arguments)

        monkeypatch.setattr(store_module, "sync", synced)
        add_pictures(tmp_path / "media", 1)
        shared.index([tmp_path / "media"])
        assert [future.result() for future in refreshing] == [False, False]
        assert len(shared._store.partitions.ids("image")) == 6
    fresh = Store(tmp_path / "db")
    assert fresh.partitions.version == fresh.catalog.version
    assert fresh.verify() == []


def rows_of(collection: Collection) -> list[dict[str, Any]]:
    """Return the rows of a collection's items, with their vectors."""
    return list(collection._store.catalog.rows([item.id for item in collection.items()]).values())


def test_items_that_a_partition_holds_twice_are_a_problem(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        add_pictures(tmp_path / "media", 0)
        collection.index([tmp_path / "media"])
        store = collection._store
        some = store.partitions.ids("image")[:2]
        store.partitions.add("image", some, store.partitions.reconstruct("image", some))
        store.partitions.save(version=store.catalog.version)
        assert Store(tmp_path / "db").verify() == ["partition image: holds 2 items more than once"]
        collection.rebuild()
        assert Store(tmp_path / "db").verify() == []


def test_a_change_waits_for_readers_and_keeps_new_ones_out() -> None:
    lock, log = ReaderWriterLock(), []
    reading, may_leave = threading.Event(), threading.Event()

    def read_first() -> None:
        with lock.reading():
            reading.set()
            may_leave.wait(10)
            log.append("first")

    def change() -> None:
        with lock.writing():
            log.append("change")

    def read_late() -> None:
        with lock.reading():
            log.append("late")

    threads = [threading.Thread(target=read_first)]
    threads[0].start()
    reading.wait(10)
    for target in (change, read_late):
        threads.append(threading.Thread(target=target))
        threads[-1].start()
        time.sleep(0.2)
    may_leave.set()
    for thread in threads:
        thread.join(10)
    assert log == ["first", "change", "late"]
