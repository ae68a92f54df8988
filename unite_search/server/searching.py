"""Answer search requests: load the media they name, encode them as one content, search."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from threading import Lock

from unite_search.content import Clip, Content, Image, Part
from unite_search.item import Item
from unite_search.media.uri import uri_to_path
from unite_search.query import SearchOptions, SearchResult
from unite_search.search import QueryVector, combine
from unite_search.server.decode_calls import MediaSource, load
from unite_search.server.filters import checked_filter
from unite_search.server.models import Scope, SearchRequest
from unite_search.server.problems import Refusal
from unite_search.server.reader import Reader
from unite_search.server.service import Service

KEPT_QUERIES = 512
ENCODED = ("texts", "uploads", "ids", "exclude", "instruction")


class Searcher:
    """Answers requests; keeps the vectors of the last queries, so that the next page is not encoded again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._vectors: OrderedDict[Hashable, QueryVector] = OrderedDict()

    def answer(self, request: SearchRequest) -> SearchResult:
        """Answer with one hit more than was asked for, if there are more.

        Raises:
            Refusal: the request names nothing to search with, or something that does not exist.
            UniteSearchError: the filter is invalid, or a file cannot be read.
        """
        if not (request.texts or request.uploads or request.ids):
            raise Refusal(422, "give at least one of texts, uploads and ids")
        reader = self._service.reader(request.collection)
        options = search_options(request)
        if len(request.ids) == 1 and not (request.texts or request.uploads or request.exclude or request.instruction):
            return reader.collection.similar(request.ids[0], options)
        started = time.perf_counter()
        vector = self._vector(reader, request)
        encode_ms = (time.perf_counter() - started) * 1e3
        with self._service.metrics.stage("search"):
            return replace(reader.search(vector, options), encode_ms=encode_ms)

    def _vector(self, reader: Reader, request: SearchRequest) -> QueryVector:
        key = reader.name, request.model_dump_json(include=set(ENCODED))
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
                return self._vectors[key]
        vector = self._encoded(reader, request)
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > KEPT_QUERIES:
                self._vectors.popitem(last=False)
        return vector

    def _encoded(self, reader: Reader, request: SearchRequest) -> QueryVector:
        parts: list[Part] = []
        hashes: set[str] = set()
        for upload in map(self._service.uploads.get, request.uploads):
            parts.append(upload.loaded.part)
            hashes.add(upload.loaded.content_hash)
        for item in map(reader.collection.item, request.ids):
            parts.append(self._part(reader, item))
            hashes.add(item.content_hash)
        ordered = sorted(parts, key=_order)
        main = Content((*ordered, *request.texts), instruction=request.instruction)
        negatives = [Content((text,), instruction=request.instruction) for text in request.exclude]
        with self._service.metrics.stage("encode"):
            embeddings = reader.queue.encode([main, *negatives])
        return QueryVector(combine(embeddings), frozenset(hashes))

    def _part(self, reader: Reader, item: Item) -> Part:
        """Return an item as a part of a query: its picture, its seconds of video, or its text."""
        if item.modality == "text":
            return item.text or ""
        source = MediaSource(uri_to_path(item.uri), item.start_s, item.end_s)
        with self._service.metrics.stage("load"):
            loaded = self._service.call_pool.call(
                load, source, reader.encoder.media, self._service.bounds, item.modality == "video"
            )
        return loaded.part


def search_options(scope: Scope) -> SearchOptions:
    """Return the library's options with a checked filter, and with one hit more to see whether there are more."""
    return SearchOptions(
        top_k=scope.top_k + 1,
        offset=scope.offset,
        modalities=tuple(scope.modalities),
        where=None if scope.where is None else checked_filter(scope.where),
        group=scope.group,
        include_self=scope.include_self,
    )


def _order(part: Part) -> int:
    """Return the place of a part in the order in which `Query` gives parts to the encoder: images, clips, texts."""
    return next(number for number, kind in enumerate((Image, Clip, str)) if isinstance(part, kind))
