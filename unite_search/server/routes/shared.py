"""Dependencies of the routes: the service, the collection that a request names, permission to write."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from unite_search.item import Item
from unite_search.server.models import ItemId
from unite_search.server.problems import Refusal
from unite_search.server.reader import Reader
from unite_search.server.service import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(_service)]


def _reader(
    service: RunningService,
    collection: Annotated[
        str | None, Query(max_length=200, description="Collection name. Default: the first one served.")
    ] = None,
) -> Reader:
    return service.reader(collection)


RequestedReader = Annotated[Reader, Depends(_reader)]


def _item(reader: RequestedReader, item_id: ItemId) -> Item:
    return reader.collection.item(item_id)


RequestedItem = Annotated[Item, Depends(_item)]


def _may_write(service: RunningService) -> None:
    if not service.settings.allow_write:
        raise Refusal(403, "the server was started without --allow-write")


MayWrite = Depends(_may_write)
