"""Serve a file, whole or in part, so that a browser can seek in it and need not fetch again what it has.

Source: RFC 9110, section 14: one range of bytes is served; several ranges or a malformed one yield the whole file.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from typing import BinaryIO, NamedTuple

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from unite_search.server.lanes import Lane
from unite_search.server.preconditions import ANOTHER_VERSION, Validators, failed_precondition, is_range_wanted
from unite_search.server.problems import Refusal
from unite_search.server.rewriting import is_head

BLOCK_BYTES = 256 << 10
FOR_A_DAY = "private, max-age=86400"
TYPES = {
    **{".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"},
    **{".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".heic": "image/heic", ".heif": "image/heif"},
    **{".avif": "image/avif", ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"},
    **{".mkv": "video/x-matroska", ".webm": "video/webm", ".avi": "video/x-msvideo"},
}
PLAIN_TEXT = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(\d{0,400})-(\d{0,400})", re.ASCII | re.IGNORECASE)


class Span(NamedTuple):
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int


class OpenFile(NamedTuple):
    """An open file, which whoever answers with it closes, and what is sent about it."""

    stream: BinaryIO
    validators: Validators
    media_type: str


class _FileResponse(StreamingResponse):
    """A response that closes its file even if the client disconnects before the first byte."""

    def __init__(self, file: OpenFile, span: Span, status: int, headers: dict[str, str], lane: Lane) -> None:
        super().__init__(_blocks(file.stream, span, lane), status, headers, file.media_type)
        self._stream = file.stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if is_head(scope):
                await Response(status_code=self.status_code, headers=dict(self.headers))(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


def file_response(file: OpenFile, request: Request, lane: Lane) -> Response:
    """Return a response with a file, or with the part of it that the request asks for, or that nothing has changed.

    Args:
        file: is closed at the end.
        request: its preconditions and its range are met.
        lane: where the file is read.

    Raises:
        Refusal: the range lies behind the end of the file, or a precondition failed.
    """
    try:
        return _answer(file, request, lane)
    except Refusal:
        file.stream.close()
        raise


def _answer(file: OpenFile, request: Request, lane: Lane) -> Response:
    headers = {"Accept-Ranges": "bytes", "Cache-Control": FOR_A_DAY, **file.validators.headers}
    status = failed_precondition(request.headers, file.validators)
    if status == 412:
        raise Refusal(412, ANOTHER_VERSION, file.validators.headers)
    if status == 304:
        file.stream.close()
        return Response(status_code=304, headers=headers)
    size = os.fstat(file.stream.fileno()).st_size
    span = None
    if not is_head(request.scope) and is_range_wanted(request.headers, file.validators):
        span = parse_range(request.headers.get("range"), size)
    sent = span or Span(0, size - 1)
    headers["Content-Length"] = str(sent.last - sent.first + 1)
    if span is not None:
        headers["Content-Range"] = f"bytes {sent.first}-{sent.last}/{size}"
    return _FileResponse(file, sent, 200 if span is None else 206, headers, lane)


def parse_range(range_header: str | None, size: int) -> Span | None:
    """Parse a Range header; return None for the whole file.

    Raises:
        Refusal: the range lies behind the end of the file.
    """
    match = _RANGE.fullmatch((range_header or "").strip())
    if match is None or not any(match.groups()):
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is None:
        if last and not size:
            return None
        span = Span(max(0, size - (last or 0)), size - 1)
        is_empty = not last
    elif last is not None and last < first:
        return None
    else:
        span = Span(first, size - 1 if last is None else min(last, size - 1))
        is_empty = False
    if is_empty or span.first >= size:
        raise Refusal(416, f"the file has {size:,} bytes", {"Content-Range": f"bytes */{size}"})
    return span


async def _blocks(stream: BinaryIO, span: Span, lane: Lane) -> AsyncIterator[bytes]:
    stream.seek(span.first)
    left = span.last - span.first + 1
    while left and (block := await lane.finish(stream.read, min(BLOCK_BYTES, left))):
        left -= len(block)
        yield block
