"""Run one command in a network namespace without routes, and say what the kernel saw there: a script of `traced.py`.

    python tests/isolated.py REPORT COMMAND...

A command that serves is asked what a user would ask, then stopped. REPORT is a JSON file: the exit status, whether
there was a namespace, and the packets that were meant for another machine. The kernel counts those for every process in
the namespace, whatever language it is written in.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
PATIENCE_S = 100.0
OUTSIDE = ("IpOutNoRoutes", "Ip6OutNoRoutes", "UdpOutDatagrams", "Udp6OutDatagrams")
"""Counters of packets without a route, and of datagrams, which nothing here needs but name look-ups."""


def enter_namespace() -> bool:
    """Leave the network for one with nothing but a loopback; return whether the system allows it."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return False
    if user == 0 and libc.unshare(CLONE_NEWNET) == 0:
        return _start_loopback()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    return _start_loopback()


def counted_outside() -> dict[str, int]:
    """Read the counters of this namespace that stay at zero while everything stays on the machine."""
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    found: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        protocol = names.partition(":")[0]
        found |= {protocol + key: int(value) for key, value in zip(names.split()[1:], values.split()[1:], strict=True)}
    six = Path("/proc/self/net/snmp6")
    found |= {key: int(value) for key, value in map(str.split, six.read_text().splitlines())} if six.exists() else {}
    return {name: found.get(name, 0) for name in OUTSIDE}


def run(command: list[str], folder: Path) -> int:
    """Run a command; a server is asked and stopped."""
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as messages:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=messages)
        try:
            if "serve" in command:
                _ask(_address(folder / "stderr", process))
                os.kill(_served_by(process.pid), signal.SIGINT)
            return process.wait(PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def _start_loopback() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    return True


def _until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)
    raise TimeoutError


def _address(messages: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in _until(time.monotonic() + PATIENCE_S):
        if found := re.search(r" at (http://\S+)", messages.read_text()):
            return found[1].rstrip("/")
        if process.poll() is not None:
            break
    raise RuntimeError(messages.read_text())


def _ask(address: str) -> None:
    """Ask for all that one look at the page asks for."""
    for _ in _until(time.monotonic() + PATIENCE_S):
        with suppress(OSError), urllib.request.urlopen(f"{address}/ready") as answer:
            if answer.status == 200:
                break
    body = json.dumps({"texts": ["a red picture"]}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/search", body, headers)) as answer:
        hits: list[dict[str, Any]] = json.load(answer)["hits"]
    shown = next(hit["id"] for hit in hits if hit["modality"] == "image")
    for path in ("/", "/docs", "/metrics", "/api/v1/status", "/api/v1/encoders", f"/api/v1/items/{shown}/thumbnail"):
        urllib.request.urlopen(f"{address}{path}").close()


def _served_by(pid: int) -> int:
    """The process that a tracer started, or the process itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    is_tracer = Path(f"/proc/{pid}/comm").read_text().strip() == "strace"
    return int(children[0]) if is_tracer else pid


def main(report: Path, command: list[str]) -> None:
    is_alone = enter_namespace()
    before = counted_outside() if is_alone else {}
    status = run(command, report.parent)
    after = counted_outside() if is_alone else {}
    sent = {name: count - before[name] for name, count in after.items() if count > before[name]}
    report.write_text(json.dumps({"status": status, "is_alone": is_alone, "sent": sent}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
