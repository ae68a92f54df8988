"""What the kernel refuses to a process that decodes media, tried from inside one; and that it still decodes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from drawn_media import RED, is_close, numbered_frames, quadrants, write_clip
from typer.testing import CliRunner

from unite_search.cli.app import app
from unite_search.content import Clip, MediaSpec, UniformFrames
from unite_search.media.call_pool import CallPool
from unite_search.media.confinement import confine, described, supported
from unite_search.media.images import read_image
from unite_search.media.video import ClipLimits, read_clip

ALL = ("network", "files", "processes")
needs_linux = pytest.mark.skipif(supported() != ALL, reason="the kernel has no seccomp")


def tried(attempt: str, path: Path) -> str:
    """Run some statements in the process; return `done`, or the name of the error."""
    try:
        exec(attempt, {"os": os, "socket": socket, "subprocess": subprocess, "signal": signal, "path": path})
    except OSError as error:
        return type(error).__name__
    return "done"


def tried_in_a_thread(attempt: str, path: Path) -> str:
    """The same in a thread of its own."""
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(tried(attempt, path)))
    thread.start()
    thread.join()
    return outcome[0]


def pixel_of(path: Path) -> str:
    return str(read_image(path, side=None, max_pixels=10_000_000).image.pixels[5, 5].tolist())


def number_of_shots(path: Path) -> int:
    from unite_search.media.read import segment

    return len(list(segment(path, 4.0, "shots")))


@pytest.fixture(scope="module")
def pool() -> Iterator[CallPool]:
    with CallPool(1, timeout_s=120.0) as pool:
        yield pool


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that must still be there, with its content, mode and time, after each attempt."""
    path = tmp_path / "precious"
    path.write_text("kept")
    path.chmod(0o640)
    os.utime(path, (1, 1))
    return path


ATTEMPTS = {
    "connect": "socket.create_connection(('127.0.0.1', 9), timeout=1)",
    "look up": "socket.getaddrinfo('localhost', 80)[0]; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "send": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "local socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()",
    "append": "open(path, 'a').write('more')",
    "overwrite": "open(path, 'r+').write('lost')",
    "empty": "os.truncate(path, 0)",
    "create": "os.close(os.open(path.with_name('new'), os.O_CREAT | os.O_WRONLY))",
    "create below /tmp": "open('/tmp/unite-search-must-not-exist', 'w')",
    "remove": "os.unlink(path)",
    "rename": "os.rename(path, path.with_name('new'))",
    "link": "os.link(path, path.with_name('new'))",
    "symlink": "os.symlink(path, path.with_name('new'))",
    "folder": "os.mkdir(path.with_name('new'))",
    "pipe": "os.mkfifo(path.with_name('new'))",
    "mode": "os.chmod(path, 0o777)",
    "owner": "os.chown(path, 1, 1)",
    "time": "os.utime(path, (2, 2))",
    "attribute": "os.setxattr(path, 'user.a', b'b')",
    "fork": "os.fork() or os._exit(0)",
    "run": "subprocess.run(['/bin/true'])",
    "replace itself": "os.execv('/bin/true', ['true'])",
    "kill its parent": "os.kill(os.getppid(), 0)",
}


@needs_linux
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
@pytest.mark.parametrize("function", [tried, tried_in_a_thread])
def test_a_decode_process_can_harm_nothing(
    pool: CallPool, precious: Path, function: type[object], attempt: str
) -> None:
    assert pool.call(function, attempt, precious) == "PermissionError"
    status = precious.stat()
    assert (precious.read_text(), status.st_mode & 0o777, status.st_mtime, status.st_uid) == (
        "kept",
        0o640,
        1,
        os.getuid(),
    )
    assert [path.name for path in precious.parent.iterdir()] == ["precious"]


@needs_linux
def test_the_same_attempts_succeed_outside(precious: Path) -> None:
    """Otherwise the test above would show nothing."""
    assert tried(ATTEMPTS["mode"], precious) == "done"
    assert tried(ATTEMPTS["create"], precious) == "done"
    assert tried(ATTEMPTS["local socket"], precious) == "done"
    assert tried(ATTEMPTS["run"], precious) == "done"
    assert tried(ATTEMPTS["remove"], precious) == "done"


@needs_linux
@pytest.mark.parametrize("lost", ["landlock", "seccomp"])
def test_each_of_the_two_means_is_enough_against_writing(precious: Path, lost: str) -> None:
    """In a process of its own, which pretends that the kernel lacks the other one."""
    name = {"landlock": "_landlock_version", "seccomp": "_has_seccomp"}[lost]
    script = (
        "import sys; from unite_search.media import confinement\n"
        f"confinement.{name} = lambda: 0\n"
        "print(confinement.confine())\n"
        "for attempt in (lambda: open(sys.argv[1], 'w'), lambda: open(sys.argv[1] + '.new', 'w')):\n"
        "    try: attempt()\n"
        "    except PermissionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(precious)], capture_output=True, text=True, check=True)
    expected = {"landlock": str(ALL), "seccomp": "('files',)"}[lost]
    assert done.stdout.splitlines() == [expected, "refused", "refused"]
    assert precious.read_text() == "kept"


def test_without_linux_it_says_that_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert supported() == ()
    assert described(()) == "not confined as to network, files, processes: darwin has no means for it"
    assert described(ALL) == "confined: no network, no writing, no other programs"


def test_a_processor_without_known_numbers_has_landlock_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "network" not in supported()
    assert confine.__doc__


def test_all_kinds_of_media_are_read_in_confinement(pool: CallPool, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.gif", "a.tiff", "a.bmp"):
        quadrants().save(tmp_path / name)
    pillow_heif.from_pillow(quadrants()).save(tmp_path / "a.heic")
    for path in tmp_path.iterdir():
        assert is_close([json.loads(pool.call(pixel_of, path))], [RED], tolerance=20)
    for suffix in ("mp4", "mkv", "avi"):
        clip = write_clip(
            tmp_path / f"b.{suffix}", numbered_frames(20), codec="mpeg4" if suffix == "avi" else "libx264"
        )
        spec = MediaSpec(frame_side=24, sampler=UniformFrames(4))
        found = pool.call(read_clip, clip, spec, ClipLimits(pixels=10_000))
        assert isinstance(found, Clip)
        assert found.frames.shape == (4, 24, 32, 3)


def test_shots_are_found_in_confinement(pool: CallPool, tmp_path: Path) -> None:
    pytest.importorskip("scenedetect")
    dark, bright = (np.full((48, 64, 3), value, np.uint8) for value in (20, 230))
    clip = write_clip(tmp_path / "a.mp4", [*[dark] * 20, *[bright] * 20])
    assert pool.call(number_of_shots, clip) == 2


def test_index_and_status_say_what_is_refused(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a.png")
    runner = CliRunner()
    done = runner.invoke(app, ["index", str(tmp_path / "a.png"), "--db", str(tmp_path / "db"), "--json", "-q"])
    assert json.loads(done.stdout)["decoding"] == described(supported())
    shown = runner.invoke(app, ["status", "--db", str(tmp_path / "db"), "--json"])
    assert json.loads(shown.stdout)["decoding"] == described(supported())
