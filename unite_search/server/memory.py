"""How the C library's allocator is set up for a process that lives long.

glibc gives large blocks pages of their own, which go back to the system once they are freed. But whenever one is freed
it raises the size from which it does so, up to 32 MiB; from then on large blocks are cut from the heap. Each time a
collection is refreshed, its arrays are a little larger than the holes that the last ones left there, so the heap grows.

Source: mallopt(3), M_MMAP_THRESHOLD: setting it turns the adjustment off.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""Source: glibc malloc/malloc.h."""
LARGE_BYTES = 1 << 18


def return_large_blocks() -> None:
    """From now on, blocks of `LARGE_BYTES` go back to the system once they are freed; does nothing without glibc."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
