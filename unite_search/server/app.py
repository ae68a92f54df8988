"""Build the application: routes, the middleware around them, the web page, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from unite_search import __version__
from unite_search.server import models
from unite_search.server.counters import RequestMeter
from unite_search.server.envelope import Envelope
from unite_search.server.guard import Guard
from unite_search.server.preconditions import versioned
from unite_search.server.problems import Problem, Refusal, add_handlers, documented
from unite_search.server.rewriting import NEEDS_SLASH, HeadAsGet, PrefixRemover
from unite_search.server.routes import items, search, service
from unite_search.server.routes import uploads as upload_routes
from unite_search.server.searching import Searcher
from unite_search.server.service import Service

API = "/api/v1"
EVERY_ROUTE = documented(400, 401, 403, 408, 413, 421, 429)


def create_app(served: Service) -> FastAPI:
    """Return the ASGI application over a service, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        served.start()
        yield
        served.stop()

    app = FastAPI(
        title="unite-search",
        version=__version__,
        description="Multimodal search over folders of videos, images and text.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": served.settings.root_path}] if served.settings.root_path else None,
        separate_input_output_schemas=False,
    )
    app.state.service = served
    app.state.searcher = Searcher(served)
    add_handlers(app)
    for module in (search, upload_routes, items, service):
        app.include_router(module.router, prefix=API, responses=EVERY_ROUTE)
    _add_probes(app, served)
    _add_page(app, served.settings.root_path)
    _describe_problems(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Guard, settings=served.settings)
    app.add_middleware(Envelope, limits=served.settings.limits)
    app.add_middleware(RequestMeter, metrics=served.metrics)
    app.add_middleware(PrefixRemover, prefix=served.settings.root_path)
    return app


def _add_probes(app: FastAPI, served: Service) -> None:
    """Add the routes that supervisors ask: liveness, readiness, metrics."""

    @app.get("/health", response_model=models.Health, tags=["service"])
    async def health() -> models.Health:
        """Answer as long as the server is running."""
        return models.Health(status="ok")

    @app.get("/ready", response_model=models.Health, responses=documented(503), tags=["service"])
    async def ready() -> models.Health:
        """Answer when every collection can be searched: its encoder is loaded, and a search by id was answered.

        A collection whose encoder nobody knows, because it was imported without a name, is ready without one.
        """
        for reader in served.readers.values():
            failure = await served.lanes.lookups.run(reader.failure)
            if failure is not None:
                raise Refusal(503, f"collection {reader.name}: {failure}", {"Retry-After": "2"})
        return models.Health(status="ok")

    @app.get("/metrics", response_class=Response, tags=["service"], responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return the metrics in the format of Prometheus."""
        return Response(await served.lanes.lookups.run(served.metrics.text), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI, root_path: str) -> None:
    """Add the web page and the page about the API; both use only files of this package."""
    folder = Path(str(files("unite_search.server").joinpath("static")))

    index, about = ((folder / name).read_bytes() for name in ("index.html", "docs.html"))

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if NEEDS_SLASH in request.scope:
            query = request.url.query
            return RedirectResponse(f"{root_path}/?{query}" if query else f"{root_path}/", status_code=308)
        return versioned(request, index, "text/html")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return versioned(request, about, "text/html")

    app.mount("/static", StaticFiles(directory=folder), name="static")


def _describe_problems(app: FastAPI) -> None:
    """Add the schema of errors, to which the routes refer, to the OpenAPI document."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        schema = generate()
        schema["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return schema

    app.openapi = described  # type: ignore[method-assign]
