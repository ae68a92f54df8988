"""The committed golden numbers are those of the project's shared data, which were made by the official code."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
FILES = ("frame_sampling.json", "losses.json", "losses.safetensors", "smart_resize.json")


def test_the_folder_holds_what_its_page_lists() -> None:
    page = (GOLDEN / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted([*FILES, "README.md"])
    assert [name for name in FILES if f"`{name}`" not in page] == []
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 200 * 1024


@pytest.mark.parametrize("name", FILES)
def test_a_committed_file_is_the_shared_one(name: str, shared_parity: Path) -> None:
    assert (GOLDEN / name).read_bytes() == (shared_parity / "golden" / name).read_bytes()
