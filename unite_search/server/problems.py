"""Errors of the API, all in one form: `application/problem+json`.

Source: RFC 9457. `type` is always `about:blank`, so `title` is the name of the status; `detail` says what to do.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from unite_search.errors import (
    CollectionLockedError,
    DecodeProcessError,
    FilterError,
    UniteSearchError,
    UnknownItemError,
    UnreadableFileError,
)
from unite_search.server.served_files import FileGoneError, FileNotServedError

MEDIA_TYPE = "application/problem+json"
STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (UnknownItemError, 404),
    (FilterError, 422),
    (FileGoneError, 410),
    (FileNotServedError, 403),
    (UnreadableFileError, 422),
    (CollectionLockedError, 409),
    (DecodeProcessError, 503),
    (UniteSearchError, 400),
)
RETRY_AFTER_S = "5"
UNEXPECTED = "something went wrong in the server; its log says what"


class Problem(BaseModel):
    """An error."""

    type: str = Field(
        default="about:blank", description="Always about:blank: the status says what kind of error it is."
    )
    title: str = Field(description="The name of the status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong, and what to do.")
    errors: list[dict[str, Any]] = Field(
        default=[], description="Each invalid field of the request, and what is wrong with it."
    )


class Refusal(HTTPException):
    """The refusal of a request, with the HTTP status that says why."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def problem_response(
    status: int, detail: str, *, headers: dict[str, str] | None = None, errors: list[dict[str, Any]] | None = None
) -> JSONResponse:
    """Return an error as a response."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(content.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the part of a route's description that lists the errors it may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def add_handlers(app: FastAPI) -> None:
    """Turn every error that reaches the application into a problem."""
    for kind in (HTTPException, RequestValidationError, *(kind for kind, _ in STATUS_OF), Exception):
        app.add_exception_handler(kind, _on_error)


async def _on_error(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException):
        return problem_response(error.status_code, str(error.detail), headers=dict(error.headers or {}))
    if isinstance(error, RequestValidationError):
        found = [{"where": ".".join(map(str, it["loc"])), "what": it["msg"]} for it in error.errors()]
        summary = "; ".join(f"{it['where']}: {it['what']}" for it in found)
        return problem_response(422, summary, errors=found)
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
    return problem_response(status, UNEXPECTED if status == 500 else str(error), headers=headers)
