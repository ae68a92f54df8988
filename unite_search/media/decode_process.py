"""One process that decodes media, as the parent sees it: started, asked, killed, reaped.

Two pools schedule such processes: `decode_pool` streams many files, `call_pool` runs single calls. Requests are
pickled, answers are not: `wire` says how they come. A decode process is confined (`confinement`), without terminal
output and interrupts, of bounded memory, and it ends with its parent, even in the middle of a file.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from types import ModuleType
from typing import Any

from unite_search.media.decode_child import run
from unite_search.media.wire import Inbox

JOIN_S = 5.0
NOT_LOADED = "what the encoder hands to workers must be importable and not defined in the main script"

_start_lock = Lock()


class DecodeProcess:
    """A running process and the parent's end of its pipe.

    Attributes:
        connection: to wait on together with those of other processes.
        is_ready: whether the process has started and could load its arguments, which its first message says.
        refusals: what the kernel refuses to the process, see `confinement`; empty until it is ready.
    """

    def __init__(self, target: Callable[..., None], *arguments: object, name: str) -> None:
        """Start `target(connection, *arguments)` in a new process, by spawning, without waiting until it is ready."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.is_ready = False
        self.refusals: tuple[str, ...] = ()
        self._inbox = Inbox(self.connection)
        work = pickle.dumps((target, arguments))
        self._process = context.Process(target=run, args=(theirs, work), name=name, daemon=True)
        with _without_interrupts(), _without_main():
            self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    @property
    def received_bytes(self) -> int:
        """All that the process has sent so far."""
        return self._inbox.received_bytes

    def send(self, message: object) -> None:
        """Send a message; that the process has died is found out by `receive`."""
        with suppress(OSError):
            self.connection.send(message)

    def poll(self, timeout_s: float) -> bool:
        """Wait for a message, or for the end of the process; return whether either came in time."""
        return self.connection.poll(max(0.0, timeout_s))

    def receive(self) -> Any:
        """Return the next answer of the process as `wire` knows it, or None if none is there, or not all of it.

        Raises:
            MalformedMessageError: the process sent what is no message.
            EOFError, OSError: the process has ended.
        """
        message = self._inbox.receive()
        if message is None or self.is_ready:
            return message
        self.is_ready = True
        self.refusals = tuple(str(name) for name in message) if isinstance(message, list) else ()
        return None

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
