"""One collection that is served: the queue of its encoder, and a thread that follows what other processes write."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock, Thread

import numpy as np

from indexers.errors import IndexerError
from unite_search.collection import Collection
from unite_search.content import Content, Image
from unite_search.encoders.base import Encoder
from unite_search.errors import UniteSearchError, UnknownItemError
from unite_search.ingest.progress import read_progress
from unite_search.item import Item
from unite_search.media.uri import uri_to_path
from unite_search.modality import Modality
from unite_search.query import SearchOptions, SearchResult
from unite_search.report import Progress, Status
from unite_search.search.encoding import QueryVector
from unite_search.server.batching import EncodeQueue
from unite_search.server.decode_calls import MediaSource
from unite_search.server.problems import Refusal
from unite_search.server.served_files import Folders, check_served, located

FOLLOW_EVERY_S = 1.0
WARM_UP_SIDE = 64
PROBE_REST_S = 2.0
BY_ID_ONLY = "it was imported without the name of its encoder, so it can be searched by id only"
STATUS_REST = 20
"""A status that took t seconds to read is read again after `STATUS_REST * t` at the earliest."""

log = logging.getLogger(__name__)


class LoadedEncoders:
    """The loaded encoders; collections built by the same encoder share it."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lock = Lock()
        self.loaded: dict[str, tuple[Encoder, EncodeQueue]] = {}

    def of(self, collection: Collection) -> tuple[Encoder, EncodeQueue]:
        """Return the encoder of a collection and its queue; load it if this is the first collection to need it."""
        with self._lock:
            name = collection.encoder_name
            if name not in self.loaded:
                encoder = collection.encoder
                _warm_up(encoder)
                self.loaded[name] = encoder, EncodeQueue(encoder, max_waiting=self._max_waiting)
            return self.loaded[name]

    def waiting(self) -> int:
        """Return the number of queries in all queues."""
        return sum(len(queue) for _, queue in list(self.loaded.values()))

    def close(self) -> None:
        """Answer the queries that wait, then stop."""
        for _, queue in self.loaded.values():
            queue.close()


def _warm_up(encoder: Encoder) -> None:
    """Encode once, so that an encoder loads what it loads on first use."""
    encoder.encode([Content(("words",))], role="query")
    if Modality.IMAGE in encoder.modalities:
        encoder.encode([Content((Image(np.zeros((WARM_UP_SIDE, WARM_UP_SIDE, 3), np.uint8)),))], role="query")


class Reader:
    """A collection that answers queries from any thread."""

    def __init__(self, collection: Collection, encoders: LoadedEncoders, media_roots: Sequence[Path]) -> None:
        self.collection = collection
        self.name = collection.name
        self.problem: str | None = "the encoder is being loaded" if collection.has_encoder else BY_ID_ONLY
        self._media_roots = media_roots
        self._encoders = encoders
        self._loaded: tuple[Encoder, EncodeQueue] | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=f"unite-search follow {self.name}", daemon=True)
        self._slots = BoundedSemaphore(os.cpu_count() or 1)
        self._status = collection.status()
        self._status_lock = Lock()
        self._status_due = 0.0
        self._is_status_stale = False
        self._probe_lock = Lock()
        self._probe_due = 0.0
        self._probed_id: int | None = None
        self._probed: str | None = "it has not been searched yet"

    def start(self) -> None:
        """Load the encoder and follow the collection, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the background work."""
        self._stopped.set()
        self._thread.join()
        self.collection.close()

    @property
    def is_ready(self) -> bool:
        """Whether queries can be answered, as far as is known; see `failure`."""
        return self._loaded is not None or not self.collection.has_encoder

    @property
    def encoder(self) -> Encoder:
        """The loaded encoder.

        Raises:
            Refusal: the encoder is not loaded yet, or cannot be loaded.
        """
        return self._ready()[0]

    @property
    def queue(self) -> EncodeQueue:
        """The queue that encodes queries.

        Raises:
            Refusal: the encoder is not loaded yet, or cannot be loaded.
        """
        return self._ready()[1]

    def search(self, vector: QueryVector, options: SearchOptions) -> SearchResult:
        """Answer an encoded query; at most as many run at a time as there are cores."""
        with self._slots:
            return self.collection.search_vector(vector, options)

    def similar(self, item_id: int, options: SearchOptions) -> SearchResult:
        """Find the nearest neighbours of an item, among the same number of searches."""
        with self._slots:
            return self.collection.similar(item_id, options)

    def failure(self) -> str | None:
        """Return why the collection cannot be searched, or None once the neighbours of an item were found.

        That is tried at most every `PROBE_REST_S` seconds. While it is being tried, others get the last answer, so that
        no more than one thread waits for a disk that hangs.
        """
        if not self.is_ready:
            return self.problem
        if time.monotonic() >= self._probe_due and self._probe_lock.acquire(blocking=False):
            try:
                self._probed = self._probe()
                self._probe_due = time.monotonic() + PROBE_REST_S
            finally:
                self._probe_lock.release()
        return self._probed

    def source(self, item: Item) -> MediaSource:
        """Return the file of an item, which is there unchanged, and which part of it the item is.

        Raises:
            FileNotServedError: the file lies outside the folders that were indexed and those of `--media-root`.
            FileGoneError: it is gone, or was changed since it was indexed.
        """
        folders = Folders(self.collection.roots, self._media_roots)
        file = located(uri_to_path(item.uri), folders, size_bytes=item.size_bytes, mtime_ns=item.mtime_ns)
        check_served(file)
        return MediaSource(file, item.modality == "video", item.start_s, item.end_s)

    def progress(self) -> Progress | None:
        """Return the progress of a run of `index` in any process, or None."""
        return read_progress(self.collection.directory)

    def status(self) -> Status:
        """Return what the collection holds; while it is being written, this may be a few seconds old."""
        started = time.monotonic()
        if self._is_status_stale and started >= self._status_due and self._status_lock.acquire(blocking=False):
            try:
                self._is_status_stale = False
                self._status = self.collection.status()
                self._status_due = started + STATUS_REST * (time.monotonic() - started)
            finally:
                self._status_lock.release()
        return replace(self._status)

    def _ready(self) -> tuple[Encoder, EncodeQueue]:
        if not self.collection.has_encoder:
            raise Refusal(422, f"collection {self.name}: {self.problem}")
        if self._loaded is None:
            raise Refusal(503, f"collection {self.name}: {self.problem}", {"Retry-After": "2"})
        return self._loaded

    def _probe(self) -> str | None:
        """Search once by the id of an item."""
        try:
            if self._probed_id is None:
                self._probed_id = next((item.id for item in self.collection.items()), None)
            if self._probed_id is not None:
                self.collection.similar(self._probed_id, SearchOptions(top_k=1))
        except UnknownItemError:
            self._probed_id = None
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is that the collection is not ready
            log.error("collection %s cannot be searched: %s", self.name, error)
            return "it cannot be searched; the log of the server says why"
        return None

    def _run(self) -> None:
        try:
            if self.collection.has_encoder:
                self._loaded = self._encoders.of(self.collection)
                self.problem = None
        except (UniteSearchError, ImportError, ValueError) as error:
            self.problem = str(error)
            log.error("collection %s: %s", self.name, error)
        while not self._stopped.wait(FOLLOW_EVERY_S):
            self._follow()

    def _follow(self) -> None:
        """Refresh the collection; if it cannot be read now, keep searching the old version and try again later."""
        try:
            if self.collection.refresh():
                self._is_status_stale = True
            if self._loaded is not None:
                self.problem = None
        except (UniteSearchError, IndexerError, OSError, ValueError) as error:
            self.problem = str(error)
            log.warning("collection %s is not followed: %s", self.name, error)
