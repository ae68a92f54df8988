"""Streams that are closed, full, or that nobody reads: every command ends quietly, or with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from toy import ToyEncoder

from unite_search.cli.streams import CLOSED_PIPE
from unite_search.collection import Collection

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")

MAIN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from unite_search.cli import main
from unite_search.encoders.base import ENCODERS
ENCODERS["toy"] = "toy:ToyEncoder"
if __name__ == "__main__":
    main()
"""
COMMANDS = {
    "query": ["query", "red"],
    "query as paths": ["query", "red", "--paths"],
    "query with NUL": ["query", "red", "--print0"],
    "query as CSV": ["query", "red", "--csv"],
    "query as JSON": ["query", "red", "--json"],
    "similar": ["similar", "1", "--json"],
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "verify": ["verify"],
    "rebuild": ["rebuild"],
    "index": ["index"],
    "index as JSON": ["index", "--json"],
    "remove": ["remove", "--where", "true", "--dry-run"],
    "encoders": ["encoders"],
    "help": ["--help"],
    "help of a command": ["query", "--help"],
    "version": ["--version"],
}
WITHOUT_DATABASE = {"encoders", "help", "help of a command", "version"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "in").mkdir()
    (folder / "in" / "note.txt").write_text("a red note")
    (folder / "in" / "other.txt").write_text("a blue note")
    with Collection.open(folder / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([folder / "in"])
    return folder / "db"


def command(name: str, database: Path) -> list[str]:
    database_option = [] if name in WITHOUT_DATABASE else ["--db", str(database)]
    return [sys.executable, "-c", MAIN, str(Path(__file__).parent), *COMMANDS[name], *database_option]


@contextmanager
def unread_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_left_ends_a_command_quietly(name: str, database: Path) -> None:
    with unread_pipe() as writer:
        done = subprocess.run(command(name, database), stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (CLOSED_PIPE, b"")


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_a_command_without_streams_does_its_work(stream: str, database: Path) -> None:
    """And no file of the collection gets the number of a stream, into which a library may print."""
    closed = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-"}[stream]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    done = subprocess.run([*shell, *command("rebuild", database)], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"text: 2 items\n" if stream == "stderr" else b"")
    assert subprocess.run(command("verify", database), timeout=60, check=False, capture_output=True).returncode == 0


def test_messages_that_nobody_reads_do_not_end_a_run(database: Path) -> None:
    (database.parent / "in" / "broken.jpg").write_bytes(b"no picture")
    with unread_pipe() as writer:
        done = subprocess.run(
            command("index", database), stdout=subprocess.PIPE, stderr=writer, timeout=60, check=False
        )
    (database.parent / "in" / "broken.jpg").unlink()
    assert done.returncode == 0
    assert b"1 file skipped" in done.stdout


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["plain", "debug"])
def test_what_native_libraries_write_is_shown_to_those_who_debug(debug: list[str], database: Path) -> None:
    """A panic of the catalog's engine writes such lines, whatever becomes of the error that it raises."""
    noisy = MAIN.replace(
        "    main()", "    os.write(2, b'early ')\n    atexit.register(os.write, 2, b'panicked')\n    main()"
    )
    words = command("status", database.parent / "nothing")
    words[2] = f"import atexit, os{noisy}"
    done = subprocess.run([*words, *debug], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"early ")
    assert b"no collection at" in done.stderr
    assert (b"panicked" in done.stderr) == bool(debug)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["query as paths", "query", "status", "help", "index as JSON"])
def test_a_full_disk_is_one_line(name: str, database: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(name, database), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr
    assert b"what was committed stays" not in done.stderr or name.startswith("index")
