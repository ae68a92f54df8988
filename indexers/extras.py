"""What a message says where an optional package is missing: one sentence, true of a checkout and of a wheel.

The package is on no package index, so no command could be given that works everywhere.
"""

from __future__ import annotations


def how_to_install(*extras: str) -> str:
    """Say how to install one of some extras of unite-search."""
    return f"install the extra {' or '.join(f'`{extra}`' for extra in extras)}, see README, Install"
