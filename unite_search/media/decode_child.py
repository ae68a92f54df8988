"""The first steps of a decode process, from inside: confined, then loaded, then at work.

This module imports nothing but the standard library, so that the process is confined before a library is loaded, for
libraries start threads. `decode_process` is the parent's side.
"""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread

from unite_search.media.confinement import confine


def run(connection: Connection, work: bytes) -> None:
    """Confine the process, then do the pickled work until the parent closes the pipe.

    The first message says what the kernel refuses to the process.
    """
    _keep_quiet()
    refusals = confine()
    Thread(target=_end_with_parent, daemon=True).start()
    target, arguments = pickle.loads(work)
    from unite_search.media.wire import send

    with suppress(EOFError, OSError):
        send(connection, list(refusals))
        target(connection, *arguments)


def _keep_quiet() -> None:
    """Leave interrupts to the parent, and keep libraries off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)


def _end_with_parent() -> None:
    """Wait for the parent's end, however it comes, and exit at once: a decoder that hangs must not outlive it."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
