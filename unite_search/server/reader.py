"""One collection that is served: its encoder's queue, and a thread that follows what other processes write to it."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from threading import BoundedSemaphore, Event, Lock, Thread

import numpy as np

from indexers.errors import IndexerError
from unite_search.collection import Collection
from unite_search.content import Content, Image
from unite_search.encoders.base import Encoder
from unite_search.errors import UniteSearchError
from unite_search.ingest.progress import read_progress
from unite_search.modality import Modality
from unite_search.query import SearchOptions, SearchResult
from unite_search.report import Progress, Status
from unite_search.search import QueryVector
from unite_search.server.batching import EncodeQueue
from unite_search.server.problems import Refusal

FOLLOW_EVERY_S = 1.0
WARM_UP_SIDE = 64
STATUS_REST = 20
"""A status that took t seconds to read is read again after this many t at the earliest."""

log = logging.getLogger(__name__)


class Encoders:
    """Loaded encoders, one for all collections that were made by it."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lock = Lock()
        self.loaded: dict[str, tuple[Encoder, EncodeQueue]] = {}

    def of(self, collection: Collection) -> tuple[Encoder, EncodeQueue]:
        """The encoder of a collection, loaded when it is the first one that needs it."""
        with self._lock:
            name = collection.encoder_name
            if name not in self.loaded:
                encoder = collection.encoder
                _warm_up(encoder)
                self.loaded[name] = encoder, EncodeQueue(encoder, max_waiting=self._max_waiting)
            return self.loaded[name]

    def waiting(self) -> int:
        """Queries in all queues."""
        return sum(len(queue) for _, queue in list(self.loaded.values()))

    def close(self) -> None:
        """Answer what waits, then stop."""
        for _, queue in self.loaded.values():
            queue.close()


def _warm_up(encoder: Encoder) -> None:
    """Let an encoder load what it loads on first use."""
    encoder.encode([Content(("words",))], role="query")
    if Modality.IMAGE in encoder.modalities:
        encoder.encode([Content((Image(np.zeros((WARM_UP_SIDE, WARM_UP_SIDE, 3), np.uint8)),))], role="query")


class Reader:
    """Answers queries from any thread."""

    def __init__(self, collection: Collection, encoders: Encoders) -> None:
        self.collection = collection
        self.name = collection.name
        self.problem: str | None = "the encoder is being loaded"
        self._encoders = encoders
        self._loaded: tuple[Encoder, EncodeQueue] | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=f"unite-search follow {self.name}", daemon=True)
        self._slots = BoundedSemaphore(os.cpu_count() or 1)
        self._status = collection.status()
        self._status_lock = Lock()
        self._status_due = 0.0
        self._is_status_old = False

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
        """Whether queries can be answered."""
        return self._loaded is not None

    @property
    def encoder(self) -> Encoder:
        """The encoder.

        Raises:
            Refusal: it is not loaded, or cannot be.
        """
        return self._ready()[0]

    @property
    def queue(self) -> EncodeQueue:
        """Where queries are encoded.

        Raises:
            Refusal: the encoder is not loaded, or cannot be.
        """
        return self._ready()[1]

    def search(self, vector: QueryVector, options: SearchOptions) -> SearchResult:
        """Answer an encoded query; no more at a time than there are cores."""
        with self._slots:
            return self.collection.search_vector(vector, options)

    def activity(self) -> Progress | None:
        """Where a run of `index` stands, in whatever process."""
        return read_progress(self.collection.directory)

    def status(self) -> Status:
        """What the collection holds; while much is written, as of a moment ago."""
        with self._status_lock:
            started = time.monotonic()
            if self._is_status_old and started >= self._status_due:
                self._is_status_old = False
                self._status = self.collection.status()
                self._status_due = started + STATUS_REST * (time.monotonic() - started)
            return replace(self._status)

    def _ready(self) -> tuple[Encoder, EncodeQueue]:
        if self._loaded is None:
            raise Refusal(503, f"collection {self.name}: {self.problem}", {"Retry-After": "2"})
        return self._loaded

    def _run(self) -> None:
        try:
            self._loaded = self._encoders.of(self.collection)
            self.problem = None
        except (UniteSearchError, ImportError, ValueError) as error:
            self.problem = str(error)
            log.error("collection %s: %s", self.name, error)
        while not self._stopped.wait(FOLLOW_EVERY_S):
            self._follow()

    def _follow(self) -> None:
        """See what was written; a collection that cannot be read just now is tried again, and searched as it was."""
        try:
            if self.collection.refresh():
                self._is_status_old = True
            if self._loaded is not None:
                self.problem = None
        except (UniteSearchError, IndexerError, OSError, ValueError) as error:
            self.problem = str(error)
            log.warning("collection %s is not followed: %s", self.name, error)
