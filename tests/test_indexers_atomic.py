"""Atomic writes: what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.atomic import write_text


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_an_error_names_the_file_that_was_asked_for(parent: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"page\.html") as caught:
        write_text(tmp_path / parent / "page.html", "text")
    assert caught.value.filename == str(tmp_path / parent / "page.html")
    assert ".tmp" not in str(caught.value)
