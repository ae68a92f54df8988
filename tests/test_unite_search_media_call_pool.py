"""Single calls in decode processes, with functions that misbehave."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from drawn_media import Unimportable

from unite_search.errors import DecodeProcessError, UniteSearchError, UnreadableFileError
from unite_search.media import call_pool
from unite_search.media.call_pool import CallPool


def hang(seconds: float) -> None:
    time.sleep(seconds)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hoard() -> None:
    bytearray(8 << 30)


def fine(value: int) -> int:
    return value


def pid() -> int:
    return os.getpid()


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_a_worker_that_hangs_crashes_or_hoards_costs_one_file() -> None:
    workers = CallPool(1, timeout_s=15.0)
    for function, arguments, reason in (
        (hang, (60,), "took longer"),
        (crash, (), "crashed"),
        (hoard, (), "too much memory"),
    ):
        with pytest.raises(UniteSearchError, match=reason):
            workers.call(function, *arguments)
        assert workers.call(fine, 7) == 7
    workers.close()


def test_a_process_is_used_again_and_ends_with_the_pool() -> None:
    with CallPool(2, timeout_s=60.0) as pool:
        first = pool.call(pid)
        assert pool.call(pid) == first
        assert [child.pid for child in multiprocessing.active_children()] == [first]
    assert multiprocessing.active_children() == []


def test_a_process_that_died_between_calls_is_replaced() -> None:
    with CallPool(1, timeout_s=60.0) as pool:
        first = pool.call(pid)
        os.kill(first, signal.SIGKILL)
        for child in multiprocessing.active_children():
            child.join()
        assert pool.call(pid) != first


def test_an_argument_that_cannot_be_loaded_is_not_the_fault_of_the_file() -> None:
    with CallPool(1, timeout_s=60.0) as pool:
        with pytest.raises(UniteSearchError, match="must be importable and not defined in the main script") as caught:
            pool.call(fine, Unimportable())
        assert not isinstance(caught.value, UnreadableFileError)
        assert pool.call(fine, 7) == 7


def test_a_call_that_finds_no_free_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_pool, "QUEUE_S", 0.1)
    with CallPool(1, timeout_s=60.0) as pool:
        other = threading.Thread(target=pool.call, args=(wait_for, tmp_path / "go"))
        other.start()
        while not multiprocessing.active_children():
            time.sleep(0.01)
        with pytest.raises(DecodeProcessError, match="too many files are waiting to be read; try again"):
            pool.call(fine, 7)
        (tmp_path / "go").touch()
        other.join()
        assert pool.call(fine, 7) == 7
