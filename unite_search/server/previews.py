"""Preview pictures of items for the page, made in decode processes and kept in a cache in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from unite_search.media.call_pool import CallPool
from unite_search.server.decode_calls import MediaSource, strip

KEPT_BYTES = 128 << 20
Key = tuple[MediaSource, int, int]


class Previews:
    """A cache of JPEGs by file, seconds and size; the least recently used are dropped first."""

    def __init__(self, workers: CallPool, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._workers = workers
        self._kept_bytes = kept_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._size_bytes = 0

    def kept(self, source: MediaSource, side: int, frames: int) -> bytes | None:
        """Return a preview that was made before, or None."""
        key = (source, side, frames)
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def made(self, source: MediaSource, side: int, frames: int) -> bytes:
        """Make the preview of an item: a JPEG of `frames` frames side by side.

        Raises:
            UnreadableFileError: the file of the item can no longer be read.
        """
        if (known := self.kept(source, side, frames)) is not None:
            return known
        picture = self._workers.call(strip, source, side, frames)
        if source.file.size_bytes:  # otherwise nothing would tell that the file has changed since
            self._keep((source, side, frames), picture)
        return picture

    def _keep(self, key: Key, picture: bytes) -> None:
        with self._lock:
            self._size_bytes += len(picture) - len(self._kept.get(key, b""))
            self._kept[key] = picture
            while self._size_bytes > self._kept_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._size_bytes -= len(dropped)
