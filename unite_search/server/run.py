"""Running the application under uvicorn, until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress

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


def serve(collections: Sequence[Collection], settings: Settings) -> None:
    """Serve collections; on SIGINT or SIGTERM requests in flight are finished first.

    Raises:
        UniteSearchError: two collections of one name, or the address cannot be listened on.
    """
    _allow_open_files(settings.limits.connections * FILES_A_CONNECTION)
    with _listening(settings) as listener, suppress(KeyboardInterrupt):
        uvicorn.Server(server_config(Service(collections, settings))).run([listener])


def server_config(served: Service) -> uvicorn.Config:
    """How uvicorn is to run: one process, no websockets, no trust in what proxies say, few words."""
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


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UniteSearchError(f"cannot listen on {settings.host}, port {settings.port}: {reason}") from error


def _allow_open_files(count: int) -> None:
    """Raise the soft limit of open files, where the system has one and lets us."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
