"""Items by their ids: what is known of them, what they look like, their files; adding and removing them.

A file is reached through the id of an item and never by a path, so nothing outside the collection can be read.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from unite_search.media.uri import uri_to_path
from unite_search.server import models
from unite_search.server.media import FOR_A_DAY, PLAIN_TEXT, TYPES, file_response
from unite_search.server.problems import documented
from unite_search.server.receiving import received_file
from unite_search.server.routes.shared import Chosen, Found, MayWrite, Services
from unite_search.server.writer import checked_name

JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
MEDIA: dict[str, dict[str, Any]] = {kind: {} for kind in sorted({*TYPES.values(), PLAIN_TEXT})}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": MEDIA},
    206: {"description": "The wanted range of bytes.", "content": MEDIA},
}
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}

router = APIRouter(prefix="/items", tags=["items"])


@router.get("/{item_id}", response_model=models.Item, responses=documented(404, 422))
def item(found: Found) -> models.Item:
    """What is known of an item."""
    return models.Item.model_validate(found)


@router.get("/{item_id}/thumbnail", response_class=Response, responses={**JPEG, **documented(404, 422, 503)})
def thumbnail(found: Found, service: Services, side: models.Side = 320) -> Response:
    """A JPEG of a picture, or of the middle of a clip, at most `side` pixels long."""
    return _jpeg(service.previews.of(found, side, is_strip=False))


@router.get("/{item_id}/strip", response_class=Response, responses={**JPEG, **documented(404, 422, 503)})
def strip(found: Found, service: Services, side: models.Side = 320) -> Response:
    """A JPEG with frames of an item's seconds side by side, each at most `side` pixels long."""
    return _jpeg(service.previews.of(found, side, is_strip=True))


@router.get("/{item_id}/media", response_class=StreamingResponse, responses={**FILE, **documented(404, 416, 422)})
def media(found: Found, range_: Annotated[str | None, Header(alias="Range")] = None) -> StreamingResponse:
    """The item's file, or a range of its bytes."""
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
    reader: Chosen,
    service: Services,
    name: Annotated[str, Query(max_length=200, description="The file's name; its ending says what it is.")],
) -> models.Added:
    """Keep a file beside the collection, and index it."""
    checked_name(name)
    folder = service.added_folder(reader)
    async with received_file(request, folder) as path:
        items = await run_in_threadpool(service.writer.add, reader, path, name, folder)
    return models.Added(items=items)


@router.delete(
    "/{item_id}", response_model=models.Removed, dependencies=[MayWrite], responses=documented(403, 404, 409, 422)
)
def remove(found: Found, reader: Chosen, service: Services) -> models.Removed:
    """Take an item out of the collection; its file stays, and comes back with the next run of `index`."""
    return models.Removed(removed=service.writer.remove(reader, found.id))


def _jpeg(picture: bytes) -> Response:
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": FOR_A_DAY})
