"""Items by id: their data, previews and files; adding and removing them.

A file is reached through the id of an item and never by a path, and `served_files` opens only what was indexed, so
nothing outside the collection can be read.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from unite_search.server import models
from unite_search.server.decode_calls import PREVIEW_FRAMES, MediaSource
from unite_search.server.file_response import FOR_A_DAY, PLAIN_TEXT, TYPES, OpenFile, file_response
from unite_search.server.preconditions import Validators, past_second, strong_etag, versioned
from unite_search.server.problems import documented
from unite_search.server.receiving import received_file
from unite_search.server.routes.shared import (
    MayWrite,
    RequestedItem,
    RequestedReader,
    RequestedSource,
    RunningService,
)
from unite_search.server.served_files import ServedFile, open_served
from unite_search.server.service import Service
from unite_search.server.writer import checked_name

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has this version already."}}
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}, **NOT_MODIFIED}
MEDIA: dict[str, dict[str, Any]] = {kind: {} for kind in sorted({*TYPES.values(), PLAIN_TEXT})}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": MEDIA},
    206: {"description": "The requested range of bytes.", "content": MEDIA},
    **NOT_MODIFIED,
}
FILE_ERRORS = documented(403, 404, 410, 412, 422, 503)
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}

router = APIRouter(prefix="/items", tags=["items"])


@router.get("/{item_id}", response_model=models.Item, responses=documented(404, 422, 503))
async def item(found: RequestedItem) -> models.Item:
    """Return what the collection knows about an item."""
    return models.Item.model_validate(found)


@router.get("/{item_id}/thumbnail", response_class=Response, responses={**JPEG, **FILE_ERRORS})
async def thumbnail(
    source: RequestedSource, request: Request, service: RunningService, side: models.Side = 320
) -> Response:
    """Return a JPEG of a picture, or of the middle frame of a clip; its longer side is at most `side` pixels."""
    return await _preview(source, request, service, side, frames=1)


@router.get("/{item_id}/strip", response_class=Response, responses={**JPEG, **FILE_ERRORS})
async def strip(
    source: RequestedSource, request: Request, service: RunningService, side: models.Side = 320
) -> Response:
    """Return a JPEG with frames of the item side by side; the longer side of each is at most `side` pixels."""
    return await _preview(source, request, service, side, frames=PREVIEW_FRAMES)


@router.get("/{item_id}/media", response_class=StreamingResponse, responses={**FILE, **FILE_ERRORS, **documented(416)})
async def media(source: RequestedSource, request: Request, service: RunningService) -> Response:
    """Return the file of an item, or a range of its bytes.

    Preconditions, `Range` and `If-Range` are met. A file that is gone or was changed since it was indexed is 410, one
    outside the folders that are served 403.
    """
    lane = service.lanes.files
    return file_response(await lane.run(_opened, source.file), request, lane)


@router.post(
    "",
    status_code=201,
    response_model=models.Added,
    dependencies=[MayWrite],
    responses=documented(400, 403, 404, 408, 409, 413, 422, 503),
    openapi_extra=BODY,
)
async def add(
    request: Request,
    reader: RequestedReader,
    service: RunningService,
    name: Annotated[str, Query(max_length=200, description="Name of the file; its extension says what it is.")],
) -> models.Added:
    """Store a file beside the collection, and index it."""
    checked_name(name)
    folder = service.added_folder(reader)
    async with received_file(request, service.received, folder) as path:
        items = await service.lanes.writes.run(service.writer.add, reader, path, name, folder)
    return models.Added(items=items)


@router.delete(
    "/{item_id}", response_model=models.Removed, dependencies=[MayWrite], responses=documented(403, 404, 409, 422, 503)
)
async def remove(found: RequestedItem, reader: RequestedReader, service: RunningService) -> models.Removed:
    """Remove an item from the collection; its file stays, and the next run of `index` adds it again."""
    return models.Removed(removed=await service.lanes.writes.run(service.writer.remove, reader, found.id))


async def _preview(source: MediaSource, request: Request, service: Service, side: int, frames: int) -> Response:
    picture = service.previews.kept(source, side, frames)
    if picture is None:
        picture = await service.lanes.previews.run(service.previews.made, source, side, frames)
    return versioned(request, picture, "image/jpeg", {"Cache-Control": FOR_A_DAY})


def _opened(file: ServedFile) -> OpenFile:
    stream = os.fdopen(open_served(file), "rb")
    status = os.fstat(stream.fileno())
    etag = strong_etag(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    media_type = TYPES.get(file.path.suffix.lower(), PLAIN_TEXT)
    return OpenFile(stream, Validators(etag, past_second(status.st_mtime_ns)), media_type)
