"""Receive the body of a request into a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request
from starlette.requests import ClientDisconnect

from unite_search.server.problems import Refusal


@asynccontextmanager
async def received_file(request: Request, folder: Path | None = None) -> AsyncIterator[Path]:
    """Receive a body and yield its file, which is deleted at the end unless it was moved away.

    Args:
        request: a request whose body has not been read.
        folder: where to put the file; None for the system's folder of temporary files.

    Raises:
        Refusal: the body is empty, or the client disconnected.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".unite-search-", dir=folder, delete=False) as stream:
        path = Path(stream.name)
        try:
            async for block in request.stream():
                stream.write(block)
            stream.flush()
            if not stream.tell():
                raise Refusal(422, "the body is empty; it must be a picture or a clip")
            yield path
        except ClientDisconnect:
            raise Refusal(400, "the body is incomplete") from None
        finally:
            path.unlink(missing_ok=True)
