"""Shared fixtures: a deterministic toy encoder, and the project's data folder where it exists."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photos and clips beside the checkout; absent in a plain clone."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    return folder
