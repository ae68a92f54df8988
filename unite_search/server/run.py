"""Run the application under uvicorn until a signal stops it."""

from __future__ import annotations

import ctypes
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from unite_search.collection import Collection
from unite_search.errors import UniteSearchError
from unite_search.server.app import create_app
from unite_search.server.connections import limited_protocol
from unite_search.server.service import Service
from unite_search.server.settings import Settings

KEEP_ALIVE_S = 5
STOP_S = 10
FILES_A_CONNECTION = 4
BACKLOG = 1024
M_MMAP_THRESHOLD = -3
"""Source: glibc malloc/malloc.h."""
LARGE_BYTES = 1 << 18


class StoppedServer(uvicorn.Server):
    """A server that the first signal stops, and that further ones do not disturb.

    For uvicorn, a second SIGINT is a wish to leave all clean-up out, which ends in a traceback of the tasks that are
    cancelled; and it sends itself the signals again at the end.
    """

    def __init__(self, config: uvicorn.Config, on_interrupt: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_interrupt = on_interrupt

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals; once the server has stopped, SIGINT stays ignored, because only the process has to end."""
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the next opportunity."""
        self.should_exit = True
        if sig == signal.SIGINT:
            self._on_interrupt()


def serve(
    collections: Sequence[Collection],
    settings: Settings,
    *,
    announce: Callable[[str], None],
    on_interrupt: Callable[[], None],
) -> None:
    """Serve collections; on SIGINT or SIGTERM, requests in flight are finished before it returns.

    Args:
        collections: what to serve, the default collection first.
        settings: how to serve; port 0 means any free port.
        announce: called with the address of the page once the server listens.
        on_interrupt: called in the handler of each SIGINT; it may end the process.

    Raises:
        UniteSearchError: two collections have the same name, or the address cannot be listened on.
    """
    return_large_blocks()
    _allow_open_files(settings.limits.connections * FILES_A_CONNECTION)
    with listening(settings) as listener, suppress(KeyboardInterrupt):
        chosen = replace(settings, port=listener.getsockname()[1])
        server = StoppedServer(server_config(Service(collections, chosen)), on_interrupt)
        announce(chosen.url)
        server.run([listener])


def return_large_blocks() -> None:
    """Make malloc return blocks of `LARGE_BYTES` and more to the system once they are freed; a no-op without glibc.

    glibc gives large blocks pages of their own. But whenever one is freed, it raises the size from which it does so, up
    to 32 MiB; from then on smaller blocks come from the heap. Each time a collection is refreshed, its arrays are a
    little larger than the holes that the last ones left there, so the heap would grow.

    Source: mallopt(3), M_MMAP_THRESHOLD: setting it turns the adjustment off.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def server_config(served: Service) -> uvicorn.Config:
    """Return the configuration of uvicorn: one process, no websockets, no trust in proxy headers, only warnings."""
    settings = served.settings
    return uvicorn.Config(
        create_app(served),
        host=settings.host,
        port=settings.port,
        http=limited_protocol(settings.limits),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


def listening(settings: Settings) -> socket.socket:
    """Open a listening socket with TCP_NODELAY: without it, a kept connection waits 40 ms for each response.

    asyncio sets TCP_NODELAY itself only on sockets that were made with a protocol number, which this one is not.

    Raises:
        UniteSearchError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UniteSearchError(f"cannot listen on {settings.host}, port {settings.port}: {reason}") from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _allow_open_files(count: int) -> None:
    """Raise the soft limit of open files, if the system has one and permits it."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
