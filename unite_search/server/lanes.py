"""Lanes: separate bounded threads for each kind of work, so that what is slow in one never delays another.

A request takes one of its lane's threads when one is free. A request that finds too many waiting before it, or waits
too long, is refused with 503 and Retry-After.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread

from unite_search.server.problems import Refusal
from unite_search.server.settings import Limits

T = TypeVar("T")
WAIT_S = 20.0
SEARCHES = 64
"""Threads of searches: more than a batch of the encoder, so that the next batch can be full while one is encoded."""
SHORT = 16
"""Threads of what takes a moment, unless the disk hangs."""
WRITES = 4


class Lane:
    """A kind of work: at most `threads` run at a time and `waiting` wait, each for at most `wait_s`.

    Attributes:
        name: what the work is, for messages and metrics.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, wait_s: float = WAIT_S) -> None:
        self.name = name
        self._wait_s = wait_s
        self._max_waiting = waiting
        self._slots = CapacityLimiter(threads)
        self._threads = CapacityLimiter(math.inf)
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a thread."""
        return self._waiting

    @property
    def running(self) -> int:
        """The number of threads at work."""
        return self._slots.borrowed_tokens

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in one of the lane's threads.

        Raises:
            Refusal: too many requests are waiting, or this one waited too long.
        """
        if self._waiting >= self._max_waiting:
            raise self._busy()
        holder = object()
        self._waiting += 1
        try:
            with move_on_after(self._wait_s) as patience:
                await self._slots.acquire_on_behalf_of(holder)
        finally:
            self._waiting -= 1
        if patience.cancelled_caught:
            raise self._busy()
        return await self._run_held(holder, function, arguments)

    async def finish(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a part of an answer that has begun, which waits for a thread as long as it takes."""
        holder = object()
        await self._slots.acquire_on_behalf_of(holder)
        return await self._run_held(holder, function, arguments)

    async def _run_held(self, holder: object, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        try:
            return await to_thread.run_sync(function, *arguments, limiter=self._threads)
        finally:
            self._slots.release_on_behalf_of(holder)

    def _busy(self) -> Refusal:
        return Refusal(503, f"too many requests for {self.name} are waiting; try again", {"Retry-After": "5"})


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of a server.

    Attributes:
        searches: encoding queries, and searching.
        queries: decoding items that are part of a query.
        uploads: decoding what clients sent, or what was fetched for them.
        previews: making pictures of items.
        fetches: fetching URLs.
        files: opening and reading the files of items.
        lookups: reading the catalog, and what the server says of itself.
        writes: changing collections.
    """

    searches: Lane
    queries: Lane
    uploads: Lane
    previews: Lane
    fetches: Lane
    files: Lane
    lookups: Lane
    writes: Lane

    @classmethod
    def of(cls, limits: Limits, processes: int) -> Lanes:
        """Return the lanes of a server that decodes in so many processes for each purpose."""
        waiting = limits.waiting_queries
        return cls(
            searches=Lane("searches", threads=SEARCHES, waiting=waiting),
            queries=Lane("queries with media", threads=processes, waiting=waiting),
            uploads=Lane("uploads", threads=processes, waiting=waiting),
            previews=Lane("previews", threads=processes, waiting=waiting),
            fetches=Lane("URLs", threads=limits.fetches, waiting=limits.fetches, wait_s=limits.fetch_s / 2),
            files=Lane("files", threads=SHORT, waiting=waiting),
            lookups=Lane("items", threads=SHORT, waiting=waiting),
            writes=Lane("changes", threads=WRITES, waiting=WRITES),
        )

    def __iter__(self) -> Iterator[Lane]:
        return iter(getattr(self, name) for name in self.__slots__)
