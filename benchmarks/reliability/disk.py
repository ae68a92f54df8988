"""Let the disk run full under every command, and protect a collection from writing.

Where root runs this, the collection lies on a small disk in memory (tmpfs) whose free space is what the case says.
Otherwise no file may grow beyond a size (`RLIMIT_FSIZE`), which fails where a full disk would. A command that has no
room must end with one line; `trials.py` says what is looked at then, and that the command must finish once there is
room. A collection that cannot be written is a read-only mount for root and a folder without permission for others.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import Ended, Program
from benchmarks.reliability.record import listing, read_record
from benchmarks.reliability.trials import Case, Trials, cases, draw

MIB = 1 << 20
SPARE = 8
"""The small disk holds this many times what the largest collection takes."""
BLOCK = 1 << 16
SUMS = ("refused", "enough_room", "not_one_line", "lost", "half_done", "repaired", "damaged", "not_finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        rows: rows of the collection.
        added: files that `index` adds.
        rooms: free space, as a share of what the command writes.
    """

    rows: int = 20_000
    added: int = 200
    rooms: tuple[float, ...] = (0.0, 0.02, 0.2, 0.4, 0.6, 0.8, 0.95)


SMALL = Scale(rows=300, added=6, rooms=(0.0, 0.5))


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Run every command with too little room, then every command on a collection that cannot be written."""
    by_command: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = Program(folder / "encoder")
        with disk(folder / "disk", SPARE * scale.rows * 2048 + 64 * MIB) as is_disk:
            for case in cases(program, folder, rows=scale.rows, added=scale.added):
                by_command[case.name] = fill(program, case, folder / "disk", scale.rooms, is_disk=is_disk)
                sys.stderr.write(f"{case.name}: {json.dumps(by_command[case.name])}\n")
        protected = read_only(program, folder, folder / f"start-{scale.rows}")
    return {
        "method": "tmpfs" if is_disk else "RLIMIT_FSIZE",
        **{name: sum(one[name] for one in by_command.values()) for name in SUMS},
        "by_command": by_command,
        "read_only": protected,
    }


def fill(program: Program, case: Case, disk_folder: Path, rooms: tuple[float, ...], *, is_disk: bool) -> dict[str, Any]:
    """Run a command with each amount of room; return what happened."""
    trials = Trials(program, case, disk_folder / "trial")
    counts = {"refused": 0, "enough_room": 0, "not_one_line": 0}
    sizes = trials.written.values()
    for share in rooms:
        trials.begin()
        if is_disk:
            with ballast(disk_folder, int(share * sum(sizes))):
                ended = program.run(*trials.arguments)
                trials.judge(f"{share:.0%} of the room")
        else:
            ended = program.run(*trials.arguments, most_file_bytes=int(share * max(sizes)))
            trials.judge(f"{share:.0%} of the largest file")
        counts["refused" if ended.code else "enough_room"] += 1
        if ended.code and not says_one_line(ended):
            counts["not_one_line"] += 1
            trials.found.fault(f"{share:.0%}: exit code {ended.code}: {ended.stderr[-400:]}")
        trials.finish()
    shutil.rmtree(trials.folder)
    return {**counts, **trials.found.summary()}


def says_one_line(ended: Ended) -> bool:
    """Return whether a command failed as it should: with exit code 1, and one line that says why."""
    lines = [line for line in ended.stderr.splitlines() if not line.startswith(("Note:", "Skipped"))]
    return ended.code == 1 and len(lines) == 1 and lines[0].startswith("Error: ") and not ended.is_raw


@contextmanager
def disk(folder: Path, size_bytes: int) -> Iterator[bool]:
    """Make a small disk in memory, if this process may; yield whether it is one. Otherwise it is a plain folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    is_disk = _has_worked(mount)
    try:
        yield is_disk
    finally:
        if is_disk:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def ballast(folder: Path, room_bytes: int) -> Iterator[None]:
    """Fill a disk but for some bytes; make room again on leaving."""
    path = folder / "ballast"
    state = os.statvfs(folder)
    with path.open("wb") as stream:
        for _ in range(max(0, state.f_bavail * state.f_frsize - room_bytes) // BLOCK):
            stream.write(bytes(BLOCK))
    try:
        yield
    finally:
        path.unlink()


def read_only(program: Program, folder: Path, start: Path) -> dict[str, Any]:
    """Run every command on a collection that cannot be written; return which did not do what they should."""
    database, media = folder / "protected" / "db", folder / "more"
    shutil.copytree(start, folder / "protected")
    draw(media, 2)
    before, files = read_record(database), listing(database)
    reading = {
        "status": ("status", "--json"),
        "query": ("query", "picture number 7", "--json"),
        "similar": ("similar", "11", "--json"),
        "verify": ("verify",),
        "export": ("export", str(folder / "exported")),
    }
    writing = {
        "index": ("index", str(media), "--quiet"),
        "remove": ("remove", "--id", "11", "--yes"),
        "rebuild": ("rebuild",),
        "import": ("import", str(folder / "exported")),
    }
    with write_protected(folder / "protected") as method:
        read = {name: program.run(*command, "--db", str(database)) for name, command in reading.items()}
        written = {
            name: program.run(*command, "--db", str(database.with_name("new") if name == "import" else database))
            for name, command in writing.items()
        }
    return {
        "method": method,
        "reading_works": [name for name, ended in read.items() if ended.code == 0 and not ended.is_raw],
        "reading_fails": {name: ended.stderr[-300:] for name, ended in read.items() if ended.code},
        "writing_says_one_line": [name for name, ended in written.items() if says_one_line(ended)],
        "writing_says_more": {name: ended.stderr[-300:] for name, ended in written.items() if not says_one_line(ended)},
        "is_unchanged": listing(database) == files and read_record(database) == before,
    }


@contextmanager
def write_protected(folder: Path) -> Iterator[str]:
    """Protect a folder from writing; yield how."""
    if _has_worked(["mount", "--bind", str(folder), str(folder)]):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        try:
            yield "read-only mount"
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield "permissions"
    finally:
        for path in everything:
            path.chmod(path.stat().st_mode | 0o200)


def _has_worked(command: list[str]) -> bool:
    """Run a command that only root may run; return whether it worked."""
    if os.geteuid() or shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
