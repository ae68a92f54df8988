"""Small matrix products on one thread.

numpy's OpenBLAS deals even small products out to all cores and waits for each. Where other processes keep those busy,
as workers that decode do, it waits longer than it computes: the head took 7 ms of CPU for a picture beside two busy
processes, and 0.4 ms on one thread.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS keeps to one thread, unless another Python thread has said how many it has."""
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
