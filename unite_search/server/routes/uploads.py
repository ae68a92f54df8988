"""Pictures and clips to search with: received or fetched, decoded within limits, kept in memory for a while."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request, Response

from unite_search.server import models
from unite_search.server.decode_calls import load
from unite_search.server.fetch import Deadline, fetch
from unite_search.server.guard import client_of
from unite_search.server.preconditions import versioned
from unite_search.server.problems import Refusal, documented
from unite_search.server.reader import Reader
from unite_search.server.receiving import received_file
from unite_search.server.routes.items import BODY, JPEG
from unite_search.server.routes.shared import RequestedReader, RunningService
from unite_search.server.service import Service
from unite_search.server.uploads import is_image

HEAD_BYTES = 16

router = APIRouter(tags=["search"])


@router.post(
    "/uploads",
    status_code=201,
    response_model=models.Upload,
    responses=documented(400, 404, 408, 413, 422, 503),
    openapi_extra=BODY,
)
async def upload(request: Request, reader: RequestedReader, service: RunningService) -> models.Upload:
    """Upload a picture or clip as the body; search with the id in the response."""
    async with received_file(request, service.received) as path:
        return await service.lanes.uploads.run(_keep, service, reader, path)


@router.post(
    "/uploads/url",
    status_code=201,
    response_model=models.Upload,
    responses=documented(403, 404, 413, 422, 503),
)
async def upload_url(
    given: models.UploadUrl, request: Request, reader: RequestedReader, service: RunningService
) -> models.Upload:
    """Fetch a picture or clip from a public address, if the server was started with `--allow-url`."""
    if not service.settings.allow_url:
        raise Refusal(403, "the server was started without --allow-url")
    limits = service.settings.limits
    deadline = Deadline(limits.fetch_s)  # counts the time that the request waits for a thread as well
    with tempfile.TemporaryDirectory() as folder, service.received.share(client_of(request.scope)) as share:
        path = Path(folder) / "fetched"
        fetching = partial(fetch, given.url, path, limits, deadline=deadline, taken=share.take)
        await service.lanes.fetches.run(fetching)
        return await service.lanes.uploads.run(_keep, service, reader, path)


@router.get("/uploads/{upload_id}/preview", response_class=Response, responses={**JPEG, **documented(404, 412, 422)})
async def preview(upload_id: models.UploadId, request: Request, service: RunningService) -> Response:
    """Return a JPEG of what the encoder sees of an upload; the frames of a clip are side by side."""
    return versioned(request, service.uploads.get(upload_id).loaded.preview, "image/jpeg")


def _keep(service: Service, reader: Reader, path: Path) -> models.Upload:
    with path.open("rb") as stream:
        is_video = not is_image(stream.read(HEAD_BYTES))
    loaded = service.upload_pool.call(load, path, reader.encoder.media, service.bounds, is_video)
    return models.Upload.model_validate(service.uploads.add(loaded))
