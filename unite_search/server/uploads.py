"""Pictures and clips that clients search with: decoded once, kept in memory for a while, never on disk."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from unite_search.content import Image
from unite_search.server.decode_calls import Loaded
from unite_search.server.problems import Refusal

_IMAGE_HEADS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """A decoded picture or clip; `size_bytes` is the memory it takes, `until` when it is dropped."""

    id: str
    loaded: Loaded
    size_bytes: int
    until: float

    @property
    def modality(self) -> str:
        """The word for it: image or video."""
        return "image" if isinstance(self.loaded.part, Image) else "video"

    @property
    def frames(self) -> int:
        """The number of frames side by side in the preview."""
        return self.loaded.frames


class Uploads:
    """A store of at most `kept_bytes` of uploads, each for at most `kept_s`; the oldest are dropped first."""

    def __init__(self, *, kept_bytes: int, kept_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_bytes = kept_bytes
        self._kept_s = kept_s
        self._clock = clock
        self._lock = Lock()
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """The memory that all uploads take."""
        with self._lock:
            return sum(upload.size_bytes for upload in self._uploads.values())

    def add(self, loaded: Loaded) -> Upload:
        """Keep an upload under a new id that cannot be guessed."""
        pixels = loaded.part.pixels if isinstance(loaded.part, Image) else loaded.part.frames
        size_bytes = pixels.nbytes + len(loaded.preview)
        upload = Upload(secrets.token_hex(16), loaded, size_bytes, self._clock() + self._kept_s)
        with self._lock:
            self._uploads[upload.id] = upload
            total = sum(kept.size_bytes for kept in self._uploads.values())
            for kept in list(self._uploads.values()):
                if kept is upload or (total <= self._kept_bytes and kept.until > self._clock()):
                    break
                total -= self._uploads.pop(kept.id).size_bytes
        return upload

    def get(self, upload_id: str) -> Upload:
        """Return an upload.

        Raises:
            Refusal: the id is unknown, or the upload was dropped.
        """
        with self._lock:
            upload = self._uploads.get(upload_id)
        if upload is None or upload.until < self._clock():
            raise Refusal(404, f"no upload {upload_id}; it may have expired, so upload it again")
        return upload


def is_image(head: bytes) -> bool:
    """Return whether a file's first bytes are those of a picture; everything else is tried as a clip."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_heif = head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS
    return head.startswith(_IMAGE_HEADS) or is_webp or is_heif
