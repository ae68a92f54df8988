"""Dependencies of the routes: the service, the collection and the item that a request names, permission to write.

They are asynchronous, because FastAPI would run others in threads that all requests share.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from unite_search.item import Item
from unite_search.server.decode_calls import MediaSource
from unite_search.server.models import ItemId
from unite_search.server.problems import Refusal
from unite_search.server.reader import Reader
from unite_search.server.service import Service


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(_service)]


async def _reader(
    service: RunningService,
    collection: Annotated[
        str | None, Query(max_length=200, description="Collection name. Default: the first one served.")
    ] = None,
) -> Reader:
    return service.reader(collection)


RequestedReader = Annotated[Reader, Depends(_reader)]


async def _item(reader: RequestedReader, service: RunningService, item_id: ItemId) -> Item:
    return await service.lanes.lookups.run(reader.collection.item, item_id)


RequestedItem = Annotated[Item, Depends(_item)]


async def _source(reader: RequestedReader, service: RunningService, item: RequestedItem) -> MediaSource:
    return await service.lanes.files.run(reader.source, item)


RequestedSource = Annotated[MediaSource, Depends(_source)]


async def _may_write(service: RunningService) -> None:
    if not service.settings.allow_write:
        raise Refusal(403, "the server was started without --allow-write")


MayWrite = Depends(_may_write)
