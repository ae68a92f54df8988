"""`Service`: the state of the server, which all routes share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from unite_search.collection import Collection
from unite_search.errors import UniteSearchError
from unite_search.media.call_pool import CallPool
from unite_search.server.counters import Metrics
from unite_search.server.decode_calls import Bounds
from unite_search.server.lanes import Lanes
from unite_search.server.previews import Previews
from unite_search.server.problems import Refusal
from unite_search.server.reader import LoadedEncoders, Reader
from unite_search.server.receiving import ReceivedBytes
from unite_search.server.settings import Settings
from unite_search.server.uploads import Uploads
from unite_search.server.writer import Writer


class Service:
    """Open collections and everything that serves them; call `start` before use and `stop` at the end."""

    def __init__(self, collections: Sequence[Collection], settings: Settings) -> None:
        """Take ownership of open collections.

        Raises:
            UniteSearchError: there is no collection, or two have the same name.
        """
        limits = settings.limits
        self.settings = settings
        self.encoders = LoadedEncoders(max_waiting=limits.waiting_queries)
        self.readers = {it.name: Reader(it, self.encoders, settings.media_roots) for it in collections}
        if not collections or len(self.readers) != len(collections):
            raise UniteSearchError("give at least one collection, and no two of the same name")
        processes = max(2, os.cpu_count() or 1)
        self.lanes = Lanes.of(limits, processes)
        self.upload_pool, self.query_pool, self.preview_pool = (
            CallPool(processes, timeout_s=limits.decode_s) for _ in range(3)
        )
        self.previews = Previews(self.preview_pool)
        self.received = ReceivedBytes(limits.receiving_bytes)
        self.uploads = Uploads(kept_bytes=limits.kept_bytes, kept_s=limits.kept_s)
        self.bounds = Bounds(limits.image_pixels, limits.video_pixels, limits.video_s)
        self.metrics = Metrics(self._gauges)
        self.writer = Writer()

    def start(self) -> None:
        """Load the encoders and follow the collections, in the background."""
        for reader in self.readers.values():
            reader.start()

    def stop(self) -> None:
        """Finish requests and changes that have begun, then stop everything."""
        self.writer.stop()
        for reader in self.readers.values():
            reader.stop()
        self.encoders.close()
        for pool in (self.upload_pool, self.query_pool, self.preview_pool):
            pool.close()

    def reader(self, name: str | None) -> Reader:
        """Return the collection of a name; the first collection for None.

        Raises:
            Refusal: no collection has that name.
        """
        if name is None:
            return next(iter(self.readers.values()))
        if name not in self.readers:
            raise Refusal(404, f"no collection {name!r}; served are {', '.join(self.readers)}")
        return self.readers[name]

    def added_folder(self, reader: Reader) -> Path:
        """Return the folder for files that clients add to a collection; it is beside that of the collection."""
        directory = reader.collection.directory
        return directory.with_name(f"{directory.name}-added")

    def _gauges(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        yield "unite_search_waiting_queries", "Queries waiting for an encoder.", {}, self.encoders.waiting()
        yield "unite_search_uploads_bytes", "Memory used by uploads.", {}, self.uploads.size_bytes
        yield "unite_search_receiving_bytes", "Bytes of files that are being received.", {}, self.received.total
        for lane in self.lanes:
            yield "unite_search_waiting", "Requests that wait for a thread.", {"kind": lane.name}, lane.waiting
        for name, reader in self.readers.items():
            labels = {"collection": name}
            yield "unite_search_ready", "Whether a collection can be searched.", labels, reader.is_ready
            for partition, count in reader.status().items.items():
                yield "unite_search_items", "Items.", {**labels, "partition": partition}, count
