"""Serve a file, whole or in part, so that a browser can seek in it.

Source: RFC 9110, section 14: one range of bytes is served; several ranges or a malformed one yield the whole file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of
from unite_search.server.problems import Refusal

BLOCK_BYTES = 256 << 10
FOR_A_DAY = "private, max-age=86400"
TYPES = {
    **{".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"},
    **{".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".heic": "image/heic", ".heif": "image/heif"},
    **{".avif": "image/avif", ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"},
    **{".mkv": "video/x-matroska", ".webm": "video/webm", ".avi": "video/x-msvideo"},
}
PLAIN_TEXT = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class Span(NamedTuple):
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int


class _FileResponse(StreamingResponse):
    """A response that closes its file even if the client disconnects before the first byte."""

    def __init__(self, stream: BinaryIO, span: Span, status: int, headers: dict[str, str], media_type: str) -> None:
        super().__init__(_blocks(stream, span), status, headers, media_type)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


def file_response(path: Path, range_header: str | None) -> StreamingResponse:
    """Return a response with a file, or with the part of it that a Range header names.

    Raises:
        UnreadableFileError: the file is gone, or is not a regular file.
        Refusal: the range lies behind the end of the file.
    """
    stream, size = _opened(path)
    try:
        span = parse_range(range_header, size)
    except Refusal:
        stream.close()
        raise
    sent = span or Span(0, size - 1)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(sent.last - sent.first + 1), "Cache-Control": FOR_A_DAY}
    if span is not None:
        headers["Content-Range"] = f"bytes {sent.first}-{sent.last}/{size}"
    media_type = TYPES.get(path.suffix.lower(), PLAIN_TEXT)
    return _FileResponse(stream, sent, 200 if span is None else 206, headers, media_type)


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


def _opened(path: Path) -> tuple[BinaryIO, int]:
    """Open a file and return it with its size; a pipe or device in its place is refused without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        status = os.fstat(descriptor)
    except OSError as error:
        raise UnreadableFileError(f"the file cannot be read: {reason_of(error)}") from error
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnreadableFileError("the file cannot be read: not a regular file")
    return os.fdopen(descriptor, "rb"), status.st_size


def _blocks(stream: BinaryIO, span: Span) -> Iterator[bytes]:
    stream.seek(span.first)
    left = span.last - span.first + 1
    while left and (block := stream.read(min(BLOCK_BYTES, left))):
        left -= len(block)
        yield block
