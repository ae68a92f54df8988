"""`unite-search serve` as a process: what it says, what it refuses, how it stops."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image
from served import PATIENCE_S, get, until

from unite_search.cli.interrupts import FORCE_AFTER_S
from unite_search.collection import Collection

PROGRAM = [sys.executable, "-c", "from unite_search.cli import main; main()", "serve"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    (folder / "media").mkdir()
    Image.new("RGB", (60, 60), "red").save(folder / "media" / "red.png")
    with Collection.open(folder / "db", create=True) as collection:
        collection.index([folder / "media"])
    return folder / "db"


@contextmanager
def running(database: Path, *options: str) -> Iterator[tuple[str, int, subprocess.Popen[str]]]:
    """The server's host, port and process, once it can be asked."""
    command = [*PROGRAM, "--db", str(database), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = re.fullmatch(
            r"Serving \w+ at http://(127\.0\.0\.1):(\d+)/\S* \(stop with Ctrl-C\)\n", process.stderr.readline()
        )
        assert said is not None
        host, port = said[1], int(said[2])
        until(lambda: get(f"http://{host}:{port}/ready").status_code == 200)
        yield host, port, process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_request_in_flight_is_answered_before_the_end(database: Path) -> None:
    with running(database) as (host, port, process):
        body = (database.parent / "media" / "red.png").read_bytes()
        head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
        with (
            socket.create_connection((host, port), timeout=PATIENCE_S) as connection,
            connection.makefile("rb") as answer,
        ):
            connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert answer.readline().startswith(b"HTTP/1.1 100")
            process.send_signal(signal.SIGINT)
            until(lambda: not takes_connections(host, port))
            connection.sendall(body)
            assert answer.readline() == b"\r\n"
            assert answer.readline().startswith(b"HTTP/1.1 201")
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert said == ""


@pytest.mark.parametrize("pause_s", [0.02, 0.1, 0.3])
def test_it_ends_with_success_however_often_it_is_stopped(database: Path, pause_s: float) -> None:
    with running(database) as (_, _, process):
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(pause_s)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert said in {"", "Stopping. Press Ctrl-C again in a while to stop at once.\n"}


def test_a_late_press_ends_it_though_a_request_is_in_flight(database: Path) -> None:
    with running(database) as (host, port, process), socket.create_connection((host, port)) as connection:
        connection.sendall(
            f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9\r\n\r\n".encode()
        )
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        time.sleep(FORCE_AFTER_S + 0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert said == "Stopped at once.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_a_supervisor_stops_it_with_success(database: Path) -> None:
    with running(database) as (_, _, process):
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, said) == (0, "")


def test_head_is_answered_and_the_page_has_no_absolute_addresses(database: Path) -> None:
    """`wget --spider` and `curl -I` ask so; below a prefix of a proxy, absolute addresses lead elsewhere."""
    with running(database) as (host, port, _):
        address = f"http://{host}:{port}"
        for path in ("/health", "/ready", "/", "/docs", "/api/v1/items/0", "/api/v1/items/0/media"):
            headed = httpx.head(address + path, timeout=PATIENCE_S)
            assert (headed.status_code, headed.content) == (200, b""), path
            assert headed.headers["content-length"] == str(len(get(address + path).content)), path
        assert '"/static' not in get(address).text


def test_options_of_addresses_and_folders(database: Path) -> None:
    """An imported collection below a prefix: its picture is given out only where the folder is named."""
    media = database.parent / "media"
    with Collection.open(database) as collection:
        collection.export(database.parent / "export")
    Collection.from_export(database.parent / "export", database.parent / "imported").close()
    options = ("--root-path", "/search/", "--media-root", str(media))
    imported = database.parent / "imported"
    with running(imported, *options) as (host, port, _):
        for prefix in ("", "/search"):
            response = get(f"http://{host}:{port}{prefix}/api/v1/items/0/media")
            assert response.content == (media / "red.png").read_bytes()
        assert '"static/' in get(f"http://{host}:{port}/search/").text
    with running(imported) as (host, port, _):
        assert get(f"http://{host}:{port}/api/v1/items/0/media").status_code == 403


def takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=PATIENCE_S).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_its_workers_end_with_it_even_when_it_is_killed(database: Path) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc")
    with running(database) as (host, port, process):
        assert get(f"http://{host}:{port}/api/v1/items/0/thumbnail").status_code == 200
        pids = children_of(process.pid)
        process.kill()
        process.wait()
    assert pids
    until(lambda: not any(map(lives, pids)))


def children_of(pid: int) -> list[int]:
    """Of all threads; those that end meanwhile have none."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--host", "0.0.0.0"], 1, "0.0.0.0 can be reached by others; give --token"),
        (["--token", "short"], 1, "the token has 5 characters"),
        (["--port", "70000"], 2, "65535"),
        (["--db", "/nowhere/db"], 1, "no collection at /nowhere/db"),
        (["--root-path", "search"], 1, "expected a path such as /search"),
        (["--root-path", "/api"], 1, "begins like an address of the server"),
        (["--media-root", "/nowhere"], 2, "--media-root"),
    ],
)
def test_what_it_refuses(options: list[str], code: int, expected: str) -> None:
    done = subprocess.run([*PROGRAM, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, expected in done.stderr) == (code, True), done.stderr


def test_a_port_that_is_taken_is_an_error(database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*PROGRAM, "--db", str(database), "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Serving" not in done.stderr
