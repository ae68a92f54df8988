"""Search by a composed query, or for the neighbours of one item."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from unite_search.query import Hit, SearchResult
from unite_search.server import models
from unite_search.server.problems import documented
from unite_search.server.routes.shared import RequestedReader
from unite_search.server.searching import Searcher, search_options

router = APIRouter(tags=["search"])


@router.post("/search", response_model=models.SearchResponse, responses=documented(404, 413, 422, 503))
def search(asked: models.SearchRequest, request: Request) -> models.SearchResponse:
    """Find items by text, uploads and items of the collection, together as one composed query."""
    searcher: Searcher = request.app.state.searcher
    return _page(searcher.answer(asked), asked)


@router.get("/items/{item_id}/similar", response_model=models.SearchResponse, responses=documented(404, 422))
def similar(
    item_id: models.ItemId, reader: RequestedReader, scope: Annotated[models.SimilarScope, Query()]
) -> models.SearchResponse:
    """Find the items that are most similar to an item."""
    return _page(reader.collection.similar(item_id, search_options(scope)), scope)


def _page(result: SearchResult, scope: models.Scope) -> models.SearchResponse:
    """Return a page of a result, which holds one hit more than the page if there are more."""
    has_more = len(result.hits) > scope.top_k and scope.offset + scope.top_k <= models.MAX_OFFSET
    return models.SearchResponse(
        hits=[_hit(hit) for hit in result.hits[: scope.top_k]],
        next_offset=scope.offset + scope.top_k if has_more else None,
        searched=result.searched,
        encode_ms=round(result.encode_ms, 2),
        search_ms=round(result.search_ms, 2),
    )


def _hit(hit: Hit) -> models.Hit:
    return models.Hit.model_validate(hit)
