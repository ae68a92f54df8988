"""Paths as strings: every name a file system allows survives, and stays valid Unicode."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.media.uri import absolute, is_gone, path_to_uri, prefixes_below, uri_to_path

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="names are bytes on POSIX only")
names = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)


@posix_only
@given(parts=st.lists(names, min_size=1, max_size=3), is_absolute=st.booleans())
def test_any_bytes_round_trip(parts: list[bytes], is_absolute: bool) -> None:
    path = Path(os.fsdecode((b"/" if is_absolute else b"") + b"/".join(parts)))
    uri = path_to_uri(path)
    assert uri.encode("utf-8")
    assert uri_to_path(uri) == path


@pytest.mark.parametrize("path", ["/a/b c%20.jpg", "name.jpg", "/ä/日本.png", "/a/#?&.mp4"])
def test_ordinary_paths_stay_as_they_are(path: str) -> None:
    assert path_to_uri(Path(path)) == str(Path(path))


@posix_only
def test_odd_bytes_become_a_file_url() -> None:
    assert path_to_uri(Path(os.fsdecode(b"/a b/x\xff.jpg"))) == "file:///a%20b/x%FF.jpg"


@posix_only
@given(folder=st.lists(names, max_size=2), inner=st.lists(names, min_size=1, max_size=2))
def test_everything_below_a_folder_has_one_of_its_prefixes(folder: list[bytes], inner: list[bytes]) -> None:
    parent = Path(os.fsdecode(b"/" + b"/".join(folder)))
    child = parent.joinpath(*map(os.fsdecode, inner))
    assert path_to_uri(child).startswith(prefixes_below(parent))
    sibling = Path(f"{parent}x", "y") if folder else child
    assert not folder or not path_to_uri(sibling).startswith(prefixes_below(parent))


def test_absolute_folds_dots_and_keeps_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert absolute(tmp_path / "real" / ".." / "link" / "x.jpg") == tmp_path / "link" / "x.jpg"


@posix_only
def test_gone_is_only_what_the_system_says_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    gone = ("nothing", "file/below", "broken", "nul\0byte")
    there = ("file", ".", "loop", "n" * 5000)
    assert [is_gone(tmp_path / name) for name in (*gone, *there)] == [True] * 4 + [False] * 4
    assert not is_gone(tmp_path / "broken", follow_links=False)
    for code in (errno.EACCES, errno.EIO, errno.ESTALE):
        error = OSError(code, os.strerror(code))
        monkeypatch.setattr(Path, "stat", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        assert not is_gone(tmp_path / "nothing")
