"""The checksum of everything that is stored: BLAKE2b, 16 bytes, in hexadecimal."""

from __future__ import annotations

import hashlib

HASH_BYTES = 16


def digest_of(data: bytes) -> str:
    """Return the checksum of some bytes."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).hexdigest()
