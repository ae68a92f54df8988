"""Control-C, however often it is pressed: the command stops once, commits what is complete, and shows no traceback.

The first press raises `KeyboardInterrupt`, as usual, but neither inside an import, where extension modules print such
an exception or turn it into another one, nor while a process is being started, which would print a traceback of its
own. Further presses do not disturb the clean-up; only after `FORCE_AFTER_S` does one end the process at once, which
costs no more than what is not committed yet. A command that works in batches finishes the one at hand, so it says at
the first press that it stops.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

INTERRUPTED = 130
FORCE_AFTER_S = 3.0
RETRY_S = 0.05
BATCHED = frozenset({"index", "demo"})
"""The commands that commit batch by batch."""
RESUMED = BATCHED | {"rebuild", "repair"}
"""The commands that go on from what they have committed when they are run again; the others change nothing, or all."""
WRITING = b"Stopping: what is complete is being written."
STOPPING = b"Stopping."
AGAIN = b" Press Ctrl-C again in a while to stop at once.\n"
ENDED = b"Stopped at once."
STAYS = b" What was committed stays."
SHOW_CURSOR = b"\x1b[?25h"
CLEAR_LINE = b"\r\x1b[2K"
UNDISTURBED = ("<frozen importlib._bootstrap>", "popen_spawn_posix.py", "popen_spawn_win32.py")
"""The files whose functions are not interrupted: those of imports, and of starting processes."""


def command_of(arguments: Sequence[str]) -> str:
    """Return the name of the command in a command line; the options before it have no values."""
    return next((argument for argument in arguments if not argument.startswith("-")), "")


class Interrupts:
    """The handler of SIGINT of a command.

    Args:
        command: its name, which decides what it says.
    """

    def __init__(self, command: str = "") -> None:
        self._command = command
        self._first_at: float | None = None
        self._is_raised = False
        self._is_retry = False
        self._is_noted = False

    @property
    def came(self) -> bool:
        """Whether the user has asked to stop."""
        return self._first_at is not None

    def install(self) -> None:
        """Handle SIGINT from now on, unless whoever started the process wants it ignored."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._report_unraisable, sys.unraisablehook = sys.unraisablehook, self._raise_again

    def finish(self) -> None:
        """Ignore SIGINT from now on: the command is over, and only the interpreter has to end."""
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _handle(self, _: int, frame: FrameType | None) -> None:
        is_retry, self._is_retry = self._is_retry, False
        if not is_retry:
            self.count()
        if self._is_raised:
            return
        if _is_undisturbed(frame):
            self._retry_soon()
            return
        self._is_raised = True
        raise KeyboardInterrupt

    def count(self) -> None:
        """Count a press; say that the command stops, once, or end it at once."""
        now, is_first = time.monotonic(), self._first_at is None
        self._first_at = self._first_at or now
        if now - self._first_at > FORCE_AFTER_S:
            end_at_once(ENDED + STAYS * (self._command in RESUMED) + b"\n")
        elif not self._is_noted and (self._command in BATCHED or not is_first):
            self._is_noted = True
            _write((WRITING if self._command in BATCHED else STOPPING) + AGAIN)

    def _retry_soon(self) -> None:
        def interrupt() -> None:
            self._is_retry = True
            signal.raise_signal(signal.SIGINT)

        timer = threading.Timer(RETRY_S, interrupt)
        timer.daemon = True
        timer.start()

    def _raise_again(self, unraisable: Any) -> None:
        """Raise an interrupt again that came inside of a finalizer, where Python drops it."""
        if unraisable.exc_type is KeyboardInterrupt:
            self._is_raised = False
            self._retry_soon()
        else:
            self._report_unraisable(unraisable)


def end_at_once(message: bytes) -> None:
    """Kill the processes that this one started, say so, and end without any clean-up."""
    multiprocessing = sys.modules.get("multiprocessing")
    with suppress(Exception):
        for child in multiprocessing.active_children() if multiprocessing else ():
            child.kill()
    _write((SHOW_CURSOR if sys.stderr.isatty() else b"") + message)
    os._exit(INTERRUPTED)


def _is_undisturbed(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.endswith(UNDISTURBED):
            return True
        frame = frame.f_back
    return False


def _write(text: bytes) -> None:
    """Write to stderr from inside a signal handler, where no lock of a stream may be taken.

    On a terminal, the line replaces a progress bar, and what the terminal shows for the key.
    """
    with suppress(OSError):
        os.write(sys.stderr.fileno(), CLEAR_LINE * sys.stderr.isatty() + text)
