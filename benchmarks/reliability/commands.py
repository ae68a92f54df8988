"""Run `unite-search` in processes of its own, with an encoder that takes no time, and say how each run ended.

The encoder is that of `common/free_encoder.py`, which the program finds as it finds those of other packages: by an
entry point. Its vectors depend on nothing but the file, so a vector that was written twice must have the same bits.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.command import PROGRAM, tree_bytes
from benchmarks.common.free_encoder import FreeEncoder
from unite_search.encoders.base import EncoderOptions

DIM = 64
ROOT = Path(__file__).resolve().parents[2]
ENTRY_POINTS = f"[unite_search.encoders]\n{FreeEncoder.name} = {__name__}:free_encoder\n"
RAW = re.compile(r"Traceback \(most recent call last\)|panicked at|LanceError|unexpected \w+(Error|Exception)\b")
"""What no message to a user may contain: tracebacks, panics, and errors that nobody expected."""
LEAVE_WITHIN_S = 5.0
"""How long the children of a process that has ended may take to end as well."""
SAMPLE_EVERY_S = 0.1


def free_encoder(_options: EncoderOptions) -> FreeEncoder:
    """Return the encoder; called by the program through its entry point."""
    return FreeEncoder(DIM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code, negative for a signal.
        stdout: what it printed.
        stderr: what it said.
        seconds: wall time.
        left_running: how many of its child processes were still there a while later.
        peak_bytes: the largest memory sampled; 0 if memory was not sampled.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    left_running: int
    peak_bytes: int = 0

    @property
    def is_raw(self) -> bool:
        """Whether it said what no user should read."""
        return RAW.search(self.stderr) is not None or RAW.search(self.stdout) is not None

    @property
    def last_line(self) -> str:
        """The last line on stderr, which gives the reason of a failure."""
        lines = self.stderr.strip().splitlines()
        return lines[-1] if lines else ""


class Program:
    """The program, with the free encoder among its encoders."""

    def __init__(self, folder: Path) -> None:
        """Describe the encoder in a folder as an installed package would.

        Args:
            folder: where the description is written; created if it does not exist.
        """
        about = folder / "reliability_encoder-1.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: reliability-encoder\nVersion: 1\n")
        (about / "entry_points.txt").write_text(ENTRY_POINTS)
        found = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join([str(folder), str(ROOT), *filter(None, [found])])
        self._environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "1000"}

    def start(
        self, *arguments: str, output: int = subprocess.DEVNULL, most_file_bytes: int | None = None
    ) -> subprocess.Popen[str]:
        """Start a command in a session of its own, so that its children can be found after its end.

        Args:
            arguments: of `unite-search`.
            output: where stdout and stderr go.
            most_file_bytes: no file may grow beyond this size; writing more fails as on a full disk.
        """
        python, option, code = PROGRAM
        if most_file_bytes is not None:
            limits = f"({most_file_bytes}, {most_file_bytes})"
            code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, {limits}); {code}"
        return subprocess.Popen(
            [python, option, code, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            errors="replace",
            env=self._environment,
            start_new_session=True,
        )

    def run(
        self,
        *arguments: str,
        timeout_s: float = 3600.0,
        with_memory: bool = False,
        most_file_bytes: int | None = None,
    ) -> Ended:
        """Run a command to its end; one that takes longer than the time limit is killed and has exit code -9."""
        started, peak = time.monotonic(), 0
        process = self.start(*arguments, output=subprocess.PIPE, most_file_bytes=most_file_bytes)
        while True:
            try:
                stdout, stderr = process.communicate(timeout=SAMPLE_EVERY_S if with_memory else timeout_s)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, tree_bytes(process.pid))
                if time.monotonic() - started >= timeout_s:
                    end(process)
        seconds = time.monotonic() - started
        return Ended(
            code=process.returncode,
            stdout=stdout,
            stderr=stderr,
            seconds=seconds,
            left_running=left_running(process.pid),
            peak_bytes=peak,
        )

    def ok(self, *arguments: str) -> Ended:
        """Run a command that must succeed, to prepare a benchmark.

        Raises:
            RuntimeError: it failed; the message is what it said.
        """
        ended = self.run(*arguments)
        if ended.code:
            raise RuntimeError(f"unite-search {' '.join(arguments)} ended with {ended.code}: {ended.stderr[-2000:]}")
        return ended


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process and the whole session that it leads."""
    process.kill()
    for pid in _session(process.pid):
        _kill(pid)


def left_running(session: int) -> int:
    """Return how many processes of a session are there after a while; those are killed. 0 where there is no `/proc`."""
    until = time.monotonic() + LEAVE_WITHIN_S
    while (left := _session(session)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        _kill(pid)
    return len(left)


def _session(leader: int) -> Sequence[int]:
    """Return the processes of a session, without its leader, and without those that only wait to be buried by init."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        state, session = fields[0], int(fields[3])
        if session == leader and int(entry.name) != leader and state != "Z":
            found.append(int(entry.name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
