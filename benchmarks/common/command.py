"""Run the program as a user does, in a process of its own, and measure that process and its children."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.timing import children_cpu_s

PROGRAM = (sys.executable, "-c", "from unite_search.cli import main; main()")
SAMPLE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """One finished command.

    Attributes:
        output: the parsed JSON; None without `--json`.
        wall_s: wall time.
        cpu_s: CPU time, including all child processes.
        peak_bytes: the largest memory sampled; 0 if memory was not sampled.
    """

    output: Any
    wall_s: float
    cpu_s: float
    peak_bytes: int


def run_program(*arguments: str, with_memory: bool = False, program: Sequence[str] = PROGRAM) -> ProgramRun:
    """Run `unite-search` with some arguments; its stderr goes to that of this process.

    Args:
        arguments: command-line arguments; with `--json` among them the output is parsed.
        with_memory: sample the sum of the proportional set sizes of the process and its descendants, which costs
            some CPU time; needs `/proc`.
        program: the command, such as that of another version.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """
    started, cpu = time.perf_counter(), children_cpu_s()
    process = subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE)
    peak = 0
    while with_memory and process.poll() is None:
        peak = max(peak, tree_bytes(process.pid))
        time.sleep(SAMPLE_EVERY_S)
    content = process.communicate()[0]
    wall = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    output = json.loads(content) if "--json" in arguments else None
    return ProgramRun(output=output, wall_s=wall, cpu_s=children_cpu_s() - cpu, peak_bytes=peak)


def tree_bytes(pid: int) -> int:
    """Return the sum of the proportional set sizes of a process and its descendants; needs `/proc`."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text(encoding="ascii").split()
            total += sum(tree_bytes(int(child)) for child in children)
    except OSError:
        return total
    return total
