"""The identity of a file: the hash of its bytes."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of

DIGEST_BYTES = 16
BLOCK_BYTES = 1 << 20


def content_hash(path: Path) -> str:
    """Hash a file (BLAKE2b, 32 hexadecimal digits), a block at a time.

    Raises:
        UnreadableFileError: the file is gone, empty, not a regular file, or may not be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFileError("not a regular file")
        with path.open("rb", buffering=0) as stream:
            size_bytes = 0
            while block := stream.read(BLOCK_BYTES):
                size_bytes += len(block)
                digest.update(block)
    except OSError as error:
        raise UnreadableFileError(reason_of(error)) from error
    if not size_bytes:
        raise UnreadableFileError("empty file")
    return digest.hexdigest()
