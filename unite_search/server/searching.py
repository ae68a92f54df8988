"""Answer search requests: load the media they name, encode them as one content, search."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from unite_search.content import Clip, Image, Part
from unite_search.query import Query, SearchOptions, SearchResult
from unite_search.search.encoding import QueryVector, plan_encoding, words_alone
from unite_search.server.decode_calls import load_item
from unite_search.server.filters import checked_filter
from unite_search.server.models import Scope, SearchRequest, SimilarScope
from unite_search.server.problems import Refusal
from unite_search.server.reader import Reader
from unite_search.server.service import Service

KEPT_QUERIES = 512
ENCODED = ("texts", "uploads", "ids", "exclude", "instruction", "mode", "weights")


class _Media(NamedTuple):
    """A picture, clip or text that is part of a query, and the hash of its file."""

    part: Part
    content_hash: str


class Searcher:
    """Answers requests; keeps the vectors of the last queries, so that the next page is not encoded again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lanes = service.lanes
        self._lock = Lock()
        self._vectors: OrderedDict[Hashable, QueryVector] = OrderedDict()

    async def similar(self, item_id: int, scope: SimilarScope) -> SearchResult:
        """Find the neighbours of an item, one more than was asked for, if there are more.

        Raises:
            UniteSearchError: there is no such item, or the filter is invalid.
        """
        reader = self._service.reader(scope.collection)
        return await self._lanes.searches.run(reader.similar, item_id, search_options(scope))

    async def answer(self, request: SearchRequest) -> SearchResult:
        """Answer with one hit more than was asked for, if there are more.

        Raises:
            Refusal: the request names nothing to search with, or something that does not exist.
            UniteSearchError: the filter is invalid, or a file cannot be read.
        """
        _check(request)
        reader = self._service.reader(request.collection)
        options = search_options(request)
        started = time.perf_counter()
        key = reader.name, request.model_dump_json(include=set(ENCODED))
        kept = self._kept(key)
        media = [] if kept or _needs_no_files(request) else await self._media(reader, request)

        def search() -> SearchResult:
            vector = _vector(reader, request, lambda: kept or self._encoded(key, reader, request, media))
            encode_ms = (time.perf_counter() - started) * 1e3
            with self._service.metrics.stage("search"):
                return replace(reader.search(vector, options), encode_ms=encode_ms)

        return await self._lanes.searches.run(search)

    def _kept(self, key: Hashable) -> QueryVector | None:
        with self._lock:
            if key not in self._vectors:
                return None
            self._vectors.move_to_end(key)
            return self._vectors[key]

    def _encoded(self, key: Hashable, reader: Reader, request: SearchRequest, media: list[_Media]) -> QueryVector:
        ordered = sorted(media, key=lambda it: _order(it.part))
        parts = [it.part for it in ordered]
        with _refused_if_invalid():
            plan = plan_encoding(reader.encoder, _weighted_query(request, parts), parts)
        with self._service.metrics.stage("encode"):
            rows = reader.queue.encode(plan.contents)
        hashes = frozenset(it.content_hash for it in media)
        vector = replace(plan.vector, embedding=plan.embedding(rows), content_hashes=hashes)
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > KEPT_QUERIES:
                self._vectors.popitem(last=False)
        return vector

    async def _media(self, reader: Reader, request: SearchRequest) -> list[_Media]:
        """Return the uploads and items of a query; what has to be decoded does not wait among the searches."""
        uploads = [self._service.uploads.get(id_).loaded for id_ in request.uploads]
        items = [await self._item(reader, id_) for id_ in request.ids]
        return [*(_Media(loaded.part, loaded.content_hash) for loaded in uploads), *items]

    async def _item(self, reader: Reader, item_id: int) -> _Media:
        """Return an item as a part of a query: its picture, its seconds of video, or its text."""
        item = await self._lanes.lookups.run(reader.collection.item, item_id)
        if item.modality == "text":
            return _Media(item.text or "", item.content_hash)
        spec, bounds = reader.encoder.media, self._service.bounds
        source = await self._lanes.files.run(reader.source, item)
        with self._service.metrics.stage("load"):
            part = await self._lanes.queries.run(self._service.query_pool.call, load_item, source, spec, bounds)
        return _Media(part, item.content_hash)


def _vector(reader: Reader, request: SearchRequest, encoded: Callable[[], QueryVector]) -> QueryVector:
    """Return the vector of a query; `encoded` is called if there is something to encode."""
    if request.mode == "words":
        with _refused_if_invalid():
            return words_alone(request.texts)
    collection = reader.collection
    if _is_item_alone(request):
        base: QueryVector | None = collection.steered(None, request.ids)
    else:
        base = encoded() if request.texts or request.uploads or request.ids else None
    return collection.steered(base, request.like, request.unlike)


def search_options(scope: Scope) -> SearchOptions:
    """Return the library's options with a checked filter, and with one hit more to see whether there are more."""
    return SearchOptions(
        top_k=scope.top_k + 1,
        offset=scope.offset,
        modalities=tuple(scope.modalities),
        where=None if scope.where is None else checked_filter(scope.where),
        group_by=scope.group_by,
        copies=scope.copies,
        min_score=scope.min_score,
        diverse=scope.diverse,
        include_self=scope.include_self,
    )


def _check(request: SearchRequest) -> None:
    """Check a request by the rules of the library, before its files are read.

    Raises:
        Refusal: the parts of the query do not go together.
    """
    if not (request.texts or request.uploads or request.ids or request.like):
        raise Refusal(422, "give at least one of texts, uploads, ids and like")
    if request.weights and (request.mode == "words" or not (request.texts or request.uploads or request.ids)):
        raise Refusal(422, "weights need texts, uploads or ids, and a mode other than words")
    with _refused_if_invalid():
        _query(request, images=(*request.uploads, *request.ids))


def _weighted_query(request: SearchRequest, parts: Sequence[Part]) -> Query:
    """Return a request as a query with weights, which need to know what its files are.

    Raises:
        ValueError: a weight is given to a kind that the query does not have.
    """
    images = [number for number, part in enumerate(parts) if not isinstance(part, Clip)]
    videos = [number for number, part in enumerate(parts) if isinstance(part, Clip)]
    return replace(_query(request, images, videos), weights=request.weights)


def _query(request: SearchRequest, images: Sequence[object] = (), videos: Sequence[object] = ()) -> Query:
    """Return a request as a query; uploads and items stand where files do."""
    return Query(
        texts=tuple(request.texts),
        images=tuple(Path(str(one)) for one in images),
        videos=tuple(Path(str(one)) for one in videos),
        exclude=tuple(request.exclude),
        instruction=request.instruction,
        mode=request.mode,
        like=tuple(request.like),
        unlike=tuple(request.unlike),
    )


@contextmanager
def _refused_if_invalid() -> Iterator[None]:
    """Refuse a request of which the library says that it cannot be a query."""
    try:
        yield
    except ValueError as error:
        raise Refusal(422, str(error)) from error


def _is_item_alone(request: SearchRequest) -> bool:
    """Whether the stored vector of an item is the query, beside items to move towards and away from."""
    return len(request.ids) == 1 and not (request.texts or request.uploads or request.exclude or request.instruction)


def _needs_no_files(request: SearchRequest) -> bool:
    return request.mode == "words" or _is_item_alone(request)


def _order(part: Part) -> int:
    """Return the place of a part in the order in which `Query` gives parts to the encoder: images, clips, texts."""
    return next(number for number, kind in enumerate((Image, Clip, str)) if isinstance(part, kind))
