"""Decode processes: how one is started, and how it settles down. What they do is in `worker` and in the server.

A decode process keeps to itself: no terminal output, no interrupt, bounded memory, and it ends with its parent, even in
the middle of a file.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock, Thread
from types import ModuleType
from typing import Any

MEMORY_BYTES = 4 << 30

_start_lock = Lock()


def start(target: Callable[..., None], *arguments: Any, name: str) -> tuple[BaseProcess, Connection]:
    """Start `target(connection, *arguments)` in a new process, by spawning.

    Returns:
        The process, and this end of the pipe.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), name=name, daemon=True)
    with _without_interrupts(), _without_main():
        process.start()
    theirs.close()
    return process, ours


def settle() -> None:
    """The first thing that a decode process does."""
    _confine()
    Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the user's script again in each worker: one without a guard would fail."""
    with _start_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let what is started here never see Ctrl-C, not even before its own code runs; a no-op on Windows."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _confine() -> None:
    """Leave interrupts to the parent, keep libraries off the terminal, and bound memory where the system can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _end_with_parent() -> None:
    """Wait for the parent's end, however it comes, and leave at once: a decoder that hangs must not outlive it."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
