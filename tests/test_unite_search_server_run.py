"""A server's memory: what was freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FREED_BETWEEN_SMALL_BLOCKS = """
import sys
import numpy as np

def own_bytes():
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))

if sys.argv[1] == "server":
    from unite_search.server.run import return_large_blocks
    return_large_blocks()
del (block := [np.ones(24 << 20, np.uint8)])[:]
before = own_bytes()
large, small = [], []
for _ in range(50):
    large.append(np.ones(2 << 20, np.uint8))
    small.append(bytes(4096))
large.clear()
print(own_bytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has to be told")
def test_large_blocks_go_back_to_the_system_though_small_ones_stay_between_them() -> None:
    """Of 100 MiB, nearly nothing remains; where nobody told the allocator, nearly all does."""
    assert remaining_bytes("server") < 10 << 20
    assert remaining_bytes("other") > 90 << 20


def remaining_bytes(kind: str) -> int:
    command = [sys.executable, "-c", FREED_BETWEEN_SMALL_BLOCKS, kind]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
