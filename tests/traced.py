"""Run a command of the program where everything is seen that leaves it: packets, name look-ups, written files.

Four observers look at once, each where the system allows it:

- strace lists the system calls of all its processes: connections, look-ups, and every file that is opened to write.
- A network namespace without routes counts the packets that were meant for another machine (`isolated.py`).
- Python itself reports what Python code opens, connects to and looks up (`privacy_probe/sitecustomize.py`).
- The home folder is empty before, and must be so afterwards.

The last three need nothing that has to be installed.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MAIN = (sys.executable, "-c", "from unite_search.cli import main; main()")
TIMEOUT_S = 240
NETWORK = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")
WRITING = (
    "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "rmdir", "truncate", "mknod", "mknodat", "chmod", "fchmodat", "chown", "lchown", "fchownat",
)  # fmt: skip
OPENING = ("open", "openat", "openat2")
TRACED = ("socket", "io_uring_setup", *NETWORK, *OPENING, *WRITING)
LOOKUP_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/gai.conf")
DEVICES = ("/dev/null", "/dev/tty", "/dev/shm")
NOT_DONE = ("ENOENT", "EEXIST", "ENOTEMPTY", "ENOTDIR")
"""Errors after which a call changed nothing, such as a folder that is there already."""
CALL = re.compile(r"^(\w+)\((.*)\)\s+= (.*)$")
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
UNIX_NAME = re.compile(r'sun_path=@?"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one command did.

    Attributes:
        status: exit status.
        output: what it printed to stdout.
        messages: what it printed to stderr.
        seen_by: the observers that could look.
        violations: what it should not have done, each with the observer that saw it.
    """

    status: int
    output: str
    messages: str
    seen_by: frozenset[str]
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one observed run, all of them below `root`; only the home must stay empty."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def notes(self) -> Path:
        return self.root / "notes"

    @property
    def writable(self) -> tuple[Path, ...]:
        """The collection, the temporary folder, and the folder for what a command is told to write."""
        return self.root / "data", self.root / "temporary", self.root / "work"

    def make(self) -> None:
        for folder in (self.home, *self.writable):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir()

    def environment(self) -> dict[str, str]:
        data, temporary, _ = self.writable
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "LOGNAME": "somebody",
            "TMPDIR": str(temporary),
            "UNITE_SEARCH_HOME": str(data),
            "PRIVACY_NOTES": str(self.notes),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE / "privacy_probe"), *sys.path))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def may_write(self, path: str) -> bool:
        """Return whether a path lies in a folder that may be written, or is a device."""
        allowed = (*map(str, (*self.writable, self.notes)), *DEVICES)
        return any(path == one or path.startswith(f"{one}/") for one in allowed)


def observe(command: Sequence[str], place: Place, **variables: str) -> Observation:
    """Run a command line in a place, with additional environment variables, and collect what all observers saw."""
    place.make()
    report = place.notes / "report.json"
    tracer = strace_options() and ["strace", *strace_options(), "-o", str(place.notes / "calls")]
    line = [sys.executable, "-I", str(HERE / "isolated.py"), str(report), *tracer, *command]
    environment = place.environment() | variables
    subprocess.run(line, env=environment, cwd=place.writable[-1], timeout=TIMEOUT_S, check=True)
    facts = json.loads(report.read_text())
    found = [*_from_strace(place), *_from_python(place), *_from_counters(facts), *_from_home(place)]
    return Observation(
        status=facts["status"],
        output=(place.notes / "stdout").read_text(),
        messages=(place.notes / "stderr").read_text(),
        seen_by=frozenset({"python", "home", *(["strace"] if tracer else []), *(["namespace"] * facts["is_alone"])}),
        violations=tuple(dict.fromkeys(found)),
    )


@cache
def strace_options() -> tuple[str, ...]:
    """The options of a strace that works here, the fast way where it can; empty without one."""
    if shutil.which("strace") is None:
        return ()
    calls = f"trace={','.join(f'?{name}' for name in TRACED)}"
    for options in (("-f", "--seccomp-bpf"), ("-f",)):
        tried = subprocess.run(["strace", *options, "-e", calls, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return *options, "-ff", "-qq", "-y", "-s", "256", "-e", calls
    return ()


def _from_strace(place: Place) -> Iterator[str]:
    for path in sorted(place.notes.glob("calls.*")):
        for line in path.read_text(errors="replace").splitlines():
            if match := CALL.match(line):
                for what in _of_call(match[1], match[2], match[3], place):
                    yield f"strace: {what}"


def _of_call(name: str, arguments: str, result: str, place: Place) -> Iterator[str]:
    """What is wrong with one system call."""
    if name == "io_uring_setup":
        yield "io_uring, which strace cannot look into"
    elif name == "socket":
        if not arguments.startswith(("AF_UNIX", "AF_INET")):
            yield f"socket {arguments}"
    elif name in NETWORK:
        yield from (f"{name} to {text}" for text in ADDRESS.findall(arguments) if not _is_loopback(text))
        yield from (f"{name} to {text}" for text in UNIX_NAME.findall(arguments) if text and not place.may_write(text))
    else:
        yield from _of_path_call(name, arguments, result, place)


def _of_path_call(name: str, arguments: str, result: str, place: Place) -> Iterator[str]:
    found = [Path(folder or place.writable[-1]) / path for folder, path in PATH.findall(arguments)]
    paths = [os.path.normpath(path) for path in found]
    if name in OPENING:
        yield from (f"look-up: opens {path}" for path in paths if path in LOOKUP_FILES)
        if not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments):
            return
    elif any(error in result for error in NOT_DONE):
        return
    changed = paths[-1:] if "symlink" in name else paths
    yield from (f"{name} {path}" for path in changed if not place.may_write(path))


def _from_python(place: Place) -> Iterator[str]:
    for path in sorted(place.notes.glob("*.jsonl")):
        for kind, value in map(json.loads, path.read_text().splitlines()):
            if _is_noted_wrong(kind, value, place):
                yield f"python: {kind} {value}"


def _is_noted_wrong(kind: str, value: Any, place: Place) -> bool:
    if kind == "write":
        return not place.may_write(value)
    if kind == "address" and isinstance(value, str):
        return bool(value) and not place.may_write(value)
    host = value[0] if kind == "address" and value else value
    return host is not None and not _is_loopback(str(host))


def _from_counters(facts: dict[str, Any]) -> Iterator[str]:
    yield from (f"namespace: {count} packets counted as {name}" for name, count in facts["sent"].items())


def _from_home(place: Place) -> Iterator[str]:
    yield from (f"home: {path.relative_to(place.home)} was written" for path in sorted(place.home.rglob("*")))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
