"""Run the application under uvicorn until a signal stops it."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import uvicorn

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


def serve(collections: Sequence[Collection], settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve collections; on SIGINT or SIGTERM, requests in flight are finished before it returns.

    Args:
        collections: what to serve, the default collection first.
        settings: how to serve; port 0 means any free port.
        announce: called with the address of the page once the server listens.

    Raises:
        UniteSearchError: two collections have the same name, or the address cannot be listened on.
    """
    return_large_blocks()
    _allow_open_files(settings.limits.connections * FILES_A_CONNECTION)
    with listening(settings) as listener, suppress(KeyboardInterrupt):
        chosen = replace(settings, port=listener.getsockname()[1])
        server = uvicorn.Server(server_config(Service(collections, chosen)))
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
