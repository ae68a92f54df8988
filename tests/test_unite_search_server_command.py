"""`unite-search serve` as a process: what it says, what it refuses, how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image
from served import free_port

from unite_search.collection import Collection

PROGRAM = [sys.executable, "-c", "from unite_search.cli import main; main()", "serve"]
READY_S = 120.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    (folder / "media").mkdir()
    Image.new("RGB", (60, 60), "red").save(folder / "media" / "red.png")
    with Collection.open(folder / "db", create=True) as collection:
        collection.index([folder / "media"])
    return folder / "db"


@contextmanager
def running(database: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    command = [*PROGRAM, "--db", str(database), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + READY_S
        while not _is_ready(address):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.communicate()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/ready", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_a_request_in_flight_is_answered_before_the_end(database: Path) -> None:
    with running(database) as (address, process):
        host, port = address.removeprefix("http://").split(":")
        body = (database.parent / "media" / "red.png").read_bytes()
        head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + body[:20])
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            with pytest.raises(OSError):
                socket.create_connection((host, int(port)), timeout=5).close()
            connection.sendall(body[20:])
            assert connection.recv(12) == b"HTTP/1.1 201"
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said.startswith("Serving db at http://127.0.0.1:")
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_its_workers_end_with_it_even_when_it_is_killed(database: Path) -> None:
    with running(database) as (address, process):
        assert httpx.get(f"{address}/api/v1/items/0/thumbnail", timeout=60).status_code == 200
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("needs /proc")
        pids = [int(pid) for task in children.parents[1].iterdir() for pid in (task / "children").read_text().split()]
        process.kill()
        process.wait()
    assert pids
    until = time.monotonic() + 10
    while any(map(_lives, pids)):
        assert time.monotonic() < until
        time.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--host", "0.0.0.0"], 1, "0.0.0.0 can be reached by others; give --token"),
        (["--token", "short"], 1, "the token has 5 characters"),
        (["--port", "70000"], 2, "65535"),
        (["--db", "/nowhere/db"], 1, "no collection at /nowhere/db"),
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
