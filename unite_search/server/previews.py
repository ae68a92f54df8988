"""Preview pictures of items for the page, made in decode processes and kept in a cache in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from unite_search.item import Item
from unite_search.media.call_pool import CallPool
from unite_search.media.uri import uri_to_path
from unite_search.server.decode_calls import PREVIEW_FRAMES, MediaSource, strip, thumbnail

Key = tuple[str, float | None, float | None, int, int]
KEPT_BYTES = 128 << 20


class Previews:
    """A cache of JPEGs by file content and seconds; the least recently used are dropped first."""

    def __init__(self, workers: CallPool, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._workers = workers
        self._kept_bytes = kept_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._size_bytes = 0

    def of(self, item: Item, side: int, *, is_strip: bool) -> bytes:
        """Return a thumbnail of an item, or a strip of its frames, as a JPEG.

        Raises:
            UnreadableFileError: the file of the item can no longer be read.
        """
        frames = PREVIEW_FRAMES if is_strip else 1
        key = (item.content_hash, item.start_s, item.end_s, side, frames)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        source = MediaSource(uri_to_path(item.uri), item.start_s, item.end_s)
        if is_strip:
            picture = self._workers.call(strip, source, side, frames)
        else:
            picture = self._workers.call(thumbnail, source, side)
        self._keep(key, picture)
        return picture

    def _keep(self, key: Key, picture: bytes) -> None:
        with self._lock:
            self._size_bytes += len(picture) - len(self._kept.get(key, b""))
            self._kept[key] = picture
            while self._size_bytes > self._kept_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._size_bytes -= len(dropped)
