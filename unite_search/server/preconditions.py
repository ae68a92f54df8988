"""Preconditions of requests: which version a client has already, and which version it means.

Source: RFC 9110, sections 8.8 (validators), 13.1 (the fields), 13.2.2 (their order) and 13.1.5 (If-Range).
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import timezone
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple

from fastapi import Request, Response
from starlette.datastructures import Headers

from unite_search.server.problems import Refusal

ANOTHER_VERSION = "this is another version than the one that the request is about"
_TAGS = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Validators(NamedTuple):
    """What tells one version of a resource from another.

    Attributes:
        etag: a strong entity tag, with its quotes.
        modified_s: seconds since 1970 of the last change; None if it is unknown, or not a time in the past.
    """

    etag: str
    modified_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name the version."""
        if self.modified_s is None:
            return {"ETag": self.etag}
        return {"ETag": self.etag, "Last-Modified": formatdate(self.modified_s, usegmt=True)}


def strong_etag(*parts: object) -> str:
    """Return an entity tag that differs whenever one of the parts does."""
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


def past_second(mtime_ns: int) -> int | None:
    """Return a modification time in seconds, or None if HTTP cannot say it: before 1970, or in the future."""
    second = mtime_ns // 1_000_000_000
    return second if 0 <= second <= time.time() else None


def failed_precondition(headers: Headers, current: Validators) -> int | None:
    """Return the status with which to answer GET or HEAD instead: 412, 304 (the client has this version), or None."""
    modified_s = current.modified_s
    if "if-match" in headers:
        if not _names(headers, "if-match", current.etag, is_weak_enough=False):
            return 412
    elif modified_s is not None and _is_before(_second(headers.get("if-unmodified-since")), modified_s):
        return 412
    if "if-none-match" in headers:
        return 304 if _names(headers, "if-none-match", current.etag, is_weak_enough=True) else None
    since = _second(headers.get("if-modified-since"))
    return 304 if since is not None and modified_s is not None and modified_s <= since else None


def is_range_wanted(headers: Headers, current: Validators) -> bool:
    """Return whether If-Range, if there is one, names the current version; otherwise the client wants all of it."""
    given = headers.get("if-range")
    if given is None:
        return True
    if '"' in given:
        return given.strip() == current.etag
    return current.modified_s is not None and _second(given) == current.modified_s


def versioned(request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """Return a body under an entity tag made from it, or 304 if the client has it already.

    Raises:
        Refusal: a precondition of the request failed.
    """
    validators = Validators(strong_etag(body))
    headers = {**(headers or {}), **validators.headers}
    status = failed_precondition(request.headers, validators)
    if status == 412:
        raise Refusal(412, ANOTHER_VERSION, validators.headers)
    if status == 304:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _names(headers: Headers, field: str, etag: str, *, is_weak_enough: bool) -> bool:
    """Return whether a list of entity tags holds one, by weak or by strong comparison."""
    given = ",".join(headers.getlist(field)).strip()
    if given == "*":
        return True
    return any(tag == etag and (is_weak_enough or not weak) for weak, tag in _TAGS.findall(given))


def _second(date: str | None) -> int | None:
    """Parse the date of a header; None without one, or if it is malformed."""
    if date is None:
        return None
    try:
        parsed = parsedate_to_datetime(date)
        return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def _is_before(limit_s: int | None, modified_s: int) -> bool:
    return limit_s is not None and limit_s < modified_s
