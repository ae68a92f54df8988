"""The server itself: collections and their state, encoders, runs of `index`, the session of the page."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response

from unite_search.encoders.base import DEFAULT_ENCODER, encoder_names
from unite_search.server import models
from unite_search.server.guard import COOKIE, session_cookie
from unite_search.server.problems import Refusal, documented
from unite_search.server.reader import Reader
from unite_search.server.routes.shared import MayWrite, RequestedReader, RunningService
from unite_search.server.service import Service

router = APIRouter(tags=["service"])


@router.get("/collections", response_model=models.Collections, responses=documented(503))
async def collections(service: RunningService) -> models.Collections:
    """Return the collections that are served, and what clients may do."""
    settings = service.settings
    served = [await service.lanes.lookups.run(_status, reader) for reader in service.readers.values()]
    return models.Collections(collections=served, allow_write=settings.allow_write, allow_url=settings.allow_url)


@router.get("/status", response_model=models.Status, responses=documented(404, 422, 503))
async def status(reader: RequestedReader, service: RunningService) -> models.Status:
    """Return what a collection holds, and whether it is being indexed."""
    return await service.lanes.lookups.run(_status, reader)


@router.get("/encoders", response_model=models.Encoders, responses=documented(503))
async def encoders(service: RunningService) -> models.Encoders:
    """Return the encoders by name, with details of those that are loaded."""
    names = sorted({*await service.lanes.lookups.run(encoder_names), *service.encoders.loaded})
    return models.Encoders(encoders=[_encoder(service, name) for name in names])


@router.post(
    "/index",
    status_code=202,
    response_model=models.Started,
    dependencies=[MayWrite],
    responses=documented(400, 403, 404, 409, 422, 503),
)
async def index(reader: RequestedReader, service: RunningService) -> models.Started:
    """Index the folders that were indexed before again, in the background."""
    await service.lanes.writes.run(service.writer.start_index, reader)
    return models.Started(status="started")


@router.post("/session", status_code=204, response_class=Response, responses=documented(401, 422))
async def session(given: models.Token, request: Request, service: RunningService) -> Response:
    """Exchange the token for the session cookie of the page."""
    token = service.settings.token
    if token is None:
        return Response(status_code=204)
    if not hmac.compare_digest(given.token.encode(), token.encode()):
        raise Refusal(401, "that is not the token", {"WWW-Authenticate": "Bearer"})
    response = Response(status_code=204)
    is_secure = request.url.scheme == "https"
    path = f"{service.settings.root_path}/"
    response.set_cookie(COOKIE, session_cookie(token), path=path, httponly=True, samesite="strict", secure=is_secure)
    return response


def _status(reader: Reader) -> models.Status:
    found, progress = reader.status(), reader.progress()
    return models.Status(
        name=found.name,
        encoder=found.encoder,
        dim=found.dim,
        files=found.files,
        items=found.items,
        size_bytes=found.size_bytes,
        duplicates=found.duplicates,
        version=found.version,
        is_ready=reader.is_ready,
        problem=reader.problem,
        indexing=None if progress is None else models.Progress.model_validate(progress),
    )


def _encoder(service: Service, name: str) -> models.Encoder:
    loaded = service.encoders.loaded.get(name)
    encoder = None if loaded is None else loaded[0]
    return models.Encoder(
        name=name,
        is_default=name == DEFAULT_ENCODER,
        is_loaded=encoder is not None,
        dim=None if encoder is None else encoder.dim,
        modalities=[] if encoder is None else encoder.modalities.partition.split("+"),
    )
