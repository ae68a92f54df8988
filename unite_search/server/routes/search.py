"""Search by a composed query, or for the neighbours of one item."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from unite_search.query import Hit, SearchResult
from unite_search.server import models
from unite_search.server.problems import documented
from unite_search.server.searching import Searcher

router = APIRouter(tags=["search"])


@router.post("/search", response_model=models.SearchResponse, responses=documented(403, 404, 410, 413, 422, 503))
async def search(asked: models.SearchRequest, request: Request) -> models.SearchResponse:
    """Find items by text, uploads and items of the collection, together as one composed query."""
    searcher: Searcher = request.app.state.searcher
    return _page(await searcher.answer(asked), asked)


@router.get("/items/{item_id}/similar", response_model=models.SearchResponse, responses=documented(404, 422, 503))
async def similar(
    item_id: models.ItemId, request: Request, scope: Annotated[models.SimilarScope, Query()]
) -> models.SearchResponse:
    """Find the items that are most similar to an item."""
    searcher: Searcher = request.app.state.searcher
    return _page(await searcher.similar(item_id, scope), scope)


def _page(result: SearchResult, scope: models.Scope) -> models.SearchResponse:
    """Return a page of a result, which holds one hit more than the page if there are more."""
    has_more = len(result.hits) > scope.top_k and scope.offset + scope.top_k <= models.MAX_OFFSET
    return models.SearchResponse(
        hits=[_hit(hit) for hit in result.hits[: scope.top_k]],
        next_offset=scope.offset + scope.top_k if has_more else None,
        is_weak=result.is_weak,
        notes=list(result.notes),
        searched=result.searched,
        encode_ms=round(result.encode_ms, 2),
        search_ms=round(result.search_ms, 2),
    )


def _hit(hit: Hit) -> models.Hit:
    return models.Hit.model_validate(hit)
