"""One process that decodes media, as the parent sees it: started, asked, killed, reaped.

Two pools schedule such processes: `decode_pool` streams many files, `call_pool` runs single calls. A decode process is
confined: no terminal output, no interrupts, bounded memory, and it ends with its parent, even in the middle of a file.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Lock, Thread
from types import ModuleType
from typing import Any

MEMORY_BYTES = 4 << 30
JOIN_S = 5.0
PICKLE_PROTOCOL = 5
"""Copies arrays once less than the default of `Connection.send`."""
READY: tuple[()] = ()
"""The first message of every process: it has started, and could load its arguments."""
NOT_LOADED = "what the encoder hands to workers must be importable and not defined in the main script"

_start_lock = Lock()


class DecodeProcess:
    """A running process and the parent's end of its pipe.

    Attributes:
        connection: to wait on together with those of other processes.
        is_ready: whether the process was heard of; False until its first message was received.
    """

    def __init__(self, target: Callable[..., None], *arguments: object, name: str) -> None:
        """Start `target(connection, *arguments)` in a new process, by spawning, without waiting until it is ready."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.is_ready = False
        self._process = context.Process(target=_run, args=(theirs, target, arguments), name=name, daemon=True)
        with _without_interrupts(), _without_main():
            self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def send(self, message: object) -> None:
        """Send a message; that the process has died is found out by `receive`."""
        with suppress(OSError):
            self.connection.send(message)

    def poll(self, timeout_s: float) -> bool:
        """Wait for a message, or for the end of the process; return whether either came in time."""
        return self.connection.poll(timeout_s)

    def receive(self) -> Any:
        """Take the next message; `READY` comes first.

        Raises:
            EOFError, OSError: the process has ended.
        """
        message = self.connection.recv()
        self.is_ready = True
        return message

    def exit_status(self) -> str:
        """Say how the process ended: `signal 9`, `exit code 1`."""
        self._process.join(JOIN_S)
        code = self._process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """Kill the process without waiting for its end."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process, wait for its end, and release what belongs to it."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self.connection.close()


def reply(connection: Connection, message: object) -> None:
    """Send a message from inside a decode process to its parent."""
    connection.send_bytes(pickle.dumps(message, PICKLE_PROTOCOL))


def _run(connection: Connection, target: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Run a decode process: confine it, then work until the parent closes the pipe."""
    _confine()
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        reply(connection, READY)
        target(connection, *arguments)


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the user's script again in each process: one without a guard would fail."""
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
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _end_with_parent() -> None:
    """Wait for the parent's end, however it comes, and exit at once: a decoder that hangs must not outlive it."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
