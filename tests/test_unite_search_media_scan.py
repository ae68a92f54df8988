"""Scanning folders, pleasant and nasty."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unite_search.media.reasons import LEADS_OUTSIDE
from unite_search.media.scan import CONTAINS_ROOTS, NO_FOLDER, scan
from unite_search.media.types import MediaFile, Skipped, VacantFolder
from unite_search.media.uri import is_gone
from unite_search.storage.rows import modified_at

pytestmark = pytest.mark.unprivileged


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def relative(folder: Path, *, exclude: tuple[Path, ...] = (), follow_links: bool = False) -> list[str]:
    found = scan([folder], exclude=exclude, follow_links=follow_links)
    files = [file for file in found if isinstance(file, MediaFile)]
    return [file.path.relative_to(folder).as_posix() for file in files]


def skipped(folder: Path, *, follow_links: bool = False) -> dict[str, str]:
    found = scan([folder], exclude=[], follow_links=follow_links)
    return {entry.path.name: entry.reason for entry in found if isinstance(entry, Skipped)}


def test_files_come_sorted_with_their_kinds_and_the_rest_is_ignored(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a.mp4", "notes.md", "sub/c.heic", "sub/deep/d.webm", "program.py", "no_suffix")
    put(tmp_path, ".hidden.jpg", ".cache/e.jpg", "x.jpg/inside.png")
    found = {file.path.name: file.modality for file in scan([tmp_path], exclude=[]) if isinstance(file, MediaFile)}
    assert found == {
        "a.mp4": "video",
        "b.JPG": "image",
        "notes.md": "text",
        "c.heic": "image",
        "d.webm": "video",
        "inside.png": "image",
    }
    assert relative(tmp_path) == ["a.mp4", "b.JPG", "notes.md", "sub/c.heic", "sub/deep/d.webm", "x.jpg/inside.png"]
    assert skipped(tmp_path) == {}


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(1, 1_234_567_890_123_456_789))
    (file,) = scan([tmp_path], exclude=[])
    assert isinstance(file, MediaFile)
    assert (file.size_bytes, file.mtime_ns) == (1, 1_234_567_890_123_456_789)


def test_excluded_folders_are_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "db/b.jpg", "db2/c.jpg")
    assert relative(tmp_path, exclude=(tmp_path / "db",)) == ["a.jpg", "db2/c.jpg"]
    assert list(scan([tmp_path / "db"], exclude=[tmp_path / "db"])) == []


def test_a_root_that_vanished_costs_only_itself(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    gone, there = scan([tmp_path / "nowhere", tmp_path], exclude=[])
    assert gone == Skipped(path=tmp_path / "nowhere", reason="vanished while indexing")
    assert isinstance(there, MediaFile)


def test_the_stream_is_lazy(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "later/b.jpg")
    stream = scan([tmp_path], exclude=[])
    next(stream)
    put(tmp_path, "later/c.jpg")
    assert len(list(stream)) == 2


def test_roots_may_be_files(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.txt", "b.xyz")
    found = scan([tmp_path / "a.jpg", tmp_path / "b.xyz"], exclude=[])
    was_folder, picture, other_was_folder, other = found
    assert was_folder == VacantFolder(tmp_path / "a.jpg", NO_FOLDER), "what was indexed below it is gone"
    assert other_was_folder == VacantFolder(tmp_path / "b.xyz", NO_FOLDER)
    assert isinstance(picture, MediaFile)
    assert picture.sidecars == (tmp_path / "a.txt",)
    assert other == Skipped(path=tmp_path / "b.xyz", reason="unknown file type .xyz")


def test_sidecars_belong_to_all_media_of_their_stem(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.mp4", "a.txt", "a.json", "a.srt", "b.txt", "b.json", "other/a.txt")
    files = {file.path.name: file for file in scan([tmp_path], exclude=[]) if isinstance(file, MediaFile)}
    assert relative(tmp_path) == ["a.jpg", "a.mp4", "b.txt", "other/a.txt"]
    beside = (tmp_path / "a.json", tmp_path / "a.srt", tmp_path / "a.txt")
    assert files["a.jpg"].sidecars == files["a.mp4"].sidecars == beside
    assert files["b.txt"].sidecars == ()


def test_the_sidecar_state_follows_content_and_not_names(tmp_path: Path) -> None:
    def state() -> str:
        return next(file.sidecar_state for file in scan([tmp_path], exclude=[]) if isinstance(file, MediaFile))

    put(tmp_path, "a.jpg")
    assert state() == ""
    put(tmp_path, "a.txt")
    alone = state()
    (tmp_path / "a.jpg").rename(tmp_path / "z.jpg")
    (tmp_path / "a.txt").rename(tmp_path / "z.txt")
    renamed = state()
    assert renamed.split(":")[:3] == alone.split(":")[:3] == [".txt", "1", alone.split(":")[2]]
    os.utime(tmp_path / "z.txt", ns=(5, 5))
    touched = state()
    (tmp_path / "other").write_text("y")
    os.utime(tmp_path / "other", ns=(5, 5))
    (tmp_path / "other").replace(tmp_path / "z.txt")
    assert len({alone, touched, replaced := state()}) == 3, "another file of equal size and time"
    put(tmp_path, "z.json")
    assert state() != replaced


def test_links_to_files_are_followed_and_loops_of_folders_are_not(tmp_path: Path) -> None:
    library, outside = tmp_path / "library", tmp_path / "outside"
    put(library, "real/a.jpg")
    put(outside, "b.jpg")
    (library / "copy.jpg").symlink_to(library / "real" / "a.jpg")
    (library / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    (library / "again").symlink_to(library / "real")
    (library / "real" / "up").symlink_to(library)
    (library / "above").symlink_to(tmp_path)
    (library / "elsewhere").symlink_to(outside)
    (library / "once_more").symlink_to(outside)
    (outside / "loop").symlink_to(outside)
    (library / "copy of b.jpg").symlink_to(outside / "b.jpg")
    assert relative(library) == ["copy.jpg", "real/a.jpg"]
    outside_ones = dict.fromkeys(("above", "elsewhere", "once_more", "copy of b.jpg"), LEADS_OUTSIDE)
    assert skipped(library) == {"broken.jpg": "broken link", **outside_ones}
    assert relative(library, follow_links=True) == ["copy of b.jpg", "copy.jpg", "real/a.jpg", "elsewhere/b.jpg"]
    assert skipped(library, follow_links=True) == {"broken.jpg": "broken link", "above": CONTAINS_ROOTS}


def test_a_link_to_a_hidden_folder_inside_is_entered_and_one_to_a_sibling_root_is_not(tmp_path: Path) -> None:
    put(tmp_path, "one/.originals/a.jpg", "two/b.jpg")
    (tmp_path / "one" / "shown").symlink_to(tmp_path / "one" / ".originals")
    (tmp_path / "one" / "shown again").symlink_to(tmp_path / "one" / ".originals")
    (tmp_path / "one" / "sibling").symlink_to(tmp_path / "two")
    (tmp_path / "one" / ".originals" / "loop").symlink_to(tmp_path / "one")
    found = list(scan([tmp_path / "one", tmp_path / "two"], exclude=[]))
    assert [one.path.relative_to(tmp_path).as_posix() for one in found] == ["two/b.jpg", "one/shown/a.jpg"]


def test_a_root_that_is_a_link_is_walked_and_its_target_counts_as_inside(tmp_path: Path) -> None:
    put(tmp_path, "disk/a.jpg", "disk/sub/b.jpg", "one.jpg")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "inside.jpg").symlink_to(tmp_path / "disk" / "a.jpg")
    (tmp_path / "single.jpg").symlink_to(tmp_path / "one.jpg")
    assert relative(tmp_path / "root") == ["a.jpg", "inside.jpg", "sub/b.jpg"]
    found = [one for one in scan([tmp_path / "single.jpg"], exclude=[]) if isinstance(one, MediaFile)]
    assert [one.path.name for one in found] == ["single.jpg"]


def test_a_sidecar_that_leads_outside_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "library/a.jpg", "secret.txt")
    (tmp_path / "library" / "a.txt").symlink_to(tmp_path / "secret.txt")
    for root in (tmp_path / "library", tmp_path / "library" / "a.jpg"):
        left_out, file = (one for one in scan([root], exclude=[]) if not isinstance(one, VacantFolder))
        assert left_out == Skipped(path=tmp_path / "library" / "a.txt", reason=LEADS_OUTSIDE)
        assert isinstance(file, MediaFile)
        assert file.sidecars == ()


def test_no_link_leads_into_an_excluded_folder(tmp_path: Path) -> None:
    put(tmp_path, "library/db/a.jpg", "other/b.jpg")
    (tmp_path / "library" / "into").symlink_to(tmp_path / "library" / "db")
    (tmp_path / "library" / "into.jpg").symlink_to(tmp_path / "library" / "db" / "a.jpg")
    exclude = (tmp_path / "library" / "db", tmp_path / "other")
    (tmp_path / "library" / "far").symlink_to(tmp_path / "other")
    assert relative(tmp_path / "library", exclude=exclude) == []
    assert relative(tmp_path / "library", exclude=exclude, follow_links=True) == []


def test_empty_folders_and_links_to_nothing_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "hidden only/.DS_Store", "other/program.py")
    (tmp_path / "empty").mkdir()
    (tmp_path / "disk").symlink_to("/nowhere at all")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    found = scan([tmp_path], exclude=[])
    vacant = {one.path.name for one in found if isinstance(one, VacantFolder)}
    assert vacant == {"empty", "hidden only", "disk"}
    assert skipped(tmp_path) == {"self": "a loop of links"}


@pytest.mark.parametrize("year", [1, 1600, 1969, 2261, 2300, 10_000, 300_000])
def test_a_time_is_one_that_the_catalog_can_hold(tmp_path: Path, year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every file system keeps such years, so the answer of the system is replaced."""
    put(tmp_path, "a.jpg")
    given_ns = (year - 1970) * 31_556_952 * 10**9
    real = Path.stat

    def stat(path: Path, **options: bool) -> object:
        status = real(path, **options)
        kept = {name: getattr(status, name) for name in ("st_mode", "st_size")}
        return SimpleNamespace(**kept, st_mtime_ns=given_ns) if path.name == "a.jpg" else status

    monkeypatch.setattr(Path, "stat", stat)
    (file,) = scan([tmp_path], exclude=[])
    assert isinstance(file, MediaFile)
    assert -(2**63) <= file.mtime_ns < 2**63
    assert (file.mtime_ns == given_ns) is (1677 < year < 2262)
    modified = modified_at(file.mtime_ns)
    assert (modified is not None and abs(modified.year - year) < 2) is (1677 < year < 2262)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file types")
def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "good.jpg")
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "good.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
        named = dict.fromkeys(("pipe.mp4", "socket.png", "good.txt"), "not a regular file")
        assert skipped(tmp_path) == named
    (good,) = (file for file in scan([tmp_path], exclude=[]) if isinstance(file, MediaFile))
    assert good.sidecars == ()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "locked/b.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        assert skipped(tmp_path) == {"locked": "permission denied"}
        assert relative(tmp_path) == ["a.jpg"]
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.jpg", "locked/b.jpg")
    listing = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert skipped(tmp_path) == {"locked": "permission denied"}
    assert relative(tmp_path) == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="file systems that take any bytes")
def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_bytes(b"x")
    assert relative(tmp_path) == [name]


def test_deep_folders_do_not_exhaust_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = 1200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("x.jpg").write_bytes(b"x")
    found = list(scan([tmp_path], exclude=[]))
    Path("x.jpg").unlink()
    for _ in range(depth):
        os.chdir("..")
        Path("d").rmdir()
    assert [file.path for file in found] == [tmp_path.joinpath(*["d"] * depth, "x.jpg")]


def test_a_link_to_itself_is_skipped_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "note.txt").write_text("a note")
    first, second = scan([tmp_path], exclude=[])
    assert isinstance(first, MediaFile)
    assert (first.path.name, isinstance(second, Skipped) and second.path.name) == ("note.txt", "self.jpg")


def refuse(monkeypatch: pytest.MonkeyPatch, below: Path, code: int = errno.EACCES) -> None:
    """Let the system refuse to say anything of what is below a folder, as one that may not be entered does."""
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if below in Path(os.path.realpath(path)).parents:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)


def library_of_links(tmp_path: Path) -> Path:
    """A folder with links to a picture, to a folder and to nothing, all below `locked`."""
    put(tmp_path, "library/a.jpg", "locked/sub/b.jpg", "locked/c.jpg")
    for name, target in {"link.jpg": "c.jpg", "linknone.jpg": "nothing", "linkdir": "sub", "a.json": "a.json"}.items():
        (tmp_path / "library" / name).symlink_to(tmp_path / "locked" / target)
    return tmp_path / "library"


DENIED = dict.fromkeys(("link.jpg", "linknone.jpg", "linkdir", "a.json"), "permission denied")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_looked_at_is_skipped_and_not_gone(tmp_path: Path) -> None:
    library, locked = library_of_links(tmp_path), tmp_path / "locked"
    locked.chmod(0)
    try:
        found = [*scan([library], exclude=[], follow_links=True), *scan([locked / "sub"], exclude=[])]
        assert [is_gone(locked / "sub"), is_gone(tmp_path / "nothing")] == [False, True]
    finally:
        locked.chmod(0o700)
    assert not any(isinstance(one, VacantFolder) for one in found)
    reasons = {one.path.name: one.reason for one in found if isinstance(one, Skipped)}
    assert reasons == {**DENIED, "sub": "permission denied"}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_links_that_cannot_be_examined_are_skipped_each_once(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_of_links(tmp_path)
    refuse(monkeypatch, tmp_path / "locked", code)
    found = list(scan([library], exclude=[], follow_links=True))
    reason = "permission denied" if code == errno.EACCES else os.strerror(code)
    named = sorted((one.path.name, one.reason) for one in found if isinstance(one, Skipped))
    assert named == sorted((name, reason) for name in DENIED)
    assert [one.path.name for one in found if not isinstance(one, Skipped)] == ["a.jpg"]


def test_a_root_that_cannot_be_examined_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "locked/root/a.jpg", "b.jpg")
    refuse(monkeypatch, tmp_path / "locked")
    denied, *others = scan([tmp_path / "locked" / "root", tmp_path / "b.jpg"], exclude=[])
    assert denied == Skipped(path=tmp_path / "locked" / "root", reason="permission denied")
    assert [one.path.name for one in others if isinstance(one, MediaFile)] == ["b.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_that_cannot_be_resolved_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc/1/cwd, whose target only root may know, and not in every container."""
    put(tmp_path, "in/a.jpg", "elsewhere/b.jpg")
    for name in ("x", "x.jpg", "a.txt"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "elsewhere")
    real = os.readlink

    def readlink(path: Any, **options: Any) -> Any:
        if Path(path).name in ("x", "x.jpg", "a.txt", "root"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, **options)

    monkeypatch.setattr(os, "readlink", readlink)
    assert skipped(tmp_path / "in") == dict.fromkeys(("x", "x.jpg", "a.txt"), "permission denied")
    assert relative(tmp_path / "in", follow_links=True) == ["a.jpg"]
    assert skipped(tmp_path / "in" / "a.jpg") == {"a.txt": "permission denied"}
    (tmp_path / "root").symlink_to(tmp_path / "in")
    assert skipped(tmp_path / "root") == {"root": "permission denied"}


def test_a_sidecar_that_is_a_broken_link_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    for name in ("a.txt", "a.json", "other.json"):
        (tmp_path / name).symlink_to(tmp_path / "gone")
    assert skipped(tmp_path) == dict.fromkeys(("a.txt", "a.json"), "broken link")
