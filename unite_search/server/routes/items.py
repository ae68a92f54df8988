"""Items by id: their data, previews and files; adding and removing them.

A file is reached through the id of an item and never by a path, so nothing outside the collection can be read.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from unite_search.media.uri import uri_to_path
from unite_search.server import models
from unite_search.server.file_response import FOR_A_DAY, PLAIN_TEXT, TYPES, file_response
from unite_search.server.problems import documented
from unite_search.server.receiving import received_file
from unite_search.server.routes.shared import MayWrite, RequestedItem, RequestedReader, RunningService
from unite_search.server.writer import checked_name

JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
MEDIA: dict[str, dict[str, Any]] = {kind: {} for kind in sorted({*TYPES.values(), PLAIN_TEXT})}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": MEDIA},
    206: {"description": "The requested range of bytes.", "content": MEDIA},
}
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}

router = APIRouter(prefix="/items", tags=["items"])


@router.get("/{item_id}", response_model=models.Item, responses=documented(404, 422))
def item(found: RequestedItem) -> models.Item:
    """Return what the collection knows about an item."""
    return models.Item.model_validate(found)


@router.get("/{item_id}/thumbnail", response_class=Response, responses={**JPEG, **documented(404, 422, 503)})
def thumbnail(found: RequestedItem, service: RunningService, side: models.Side = 320) -> Response:
    """Return a JPEG of a picture, or of the middle frame of a clip; its longer side is at most `side` pixels."""
    return _jpeg(service.previews.of(found, side, is_strip=False))


@router.get("/{item_id}/strip", response_class=Response, responses={**JPEG, **documented(404, 422, 503)})
def strip(found: RequestedItem, service: RunningService, side: models.Side = 320) -> Response:
    """Return a JPEG with frames of the item side by side; the longer side of each is at most `side` pixels."""
    return _jpeg(service.previews.of(found, side, is_strip=True))


@router.get("/{item_id}/media", response_class=StreamingResponse, responses={**FILE, **documented(404, 416, 422)})
def media(found: RequestedItem, range_: Annotated[str | None, Header(alias="Range")] = None) -> StreamingResponse:
    """Return the file of an item, or a range of its bytes."""
    return file_response(uri_to_path(found.uri), range_)


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
    async with received_file(request, folder) as path:
        items = await run_in_threadpool(service.writer.add, reader, path, name, folder)
    return models.Added(items=items)


@router.delete(
    "/{item_id}", response_model=models.Removed, dependencies=[MayWrite], responses=documented(403, 404, 409, 422)
)
def remove(found: RequestedItem, reader: RequestedReader, service: RunningService) -> models.Removed:
    """Remove an item from the collection; its file stays, and the next run of `index` adds it again."""
    return models.Removed(removed=service.writer.remove(reader, found.id))


def _jpeg(picture: bytes) -> Response:
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": FOR_A_DAY})
