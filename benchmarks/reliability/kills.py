"""Kill commands with SIGKILL at random moments, and see what is lost: nothing that was committed may be.

A command is run once undisturbed. Then it is killed at moments that are spread over the time that this took, up to
three times in a row on the same collection; no process may stay behind. `trials.py` says what is looked at after a kill
and after the run that comes to its end.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import DIM, Program, left_running
from benchmarks.reliability.trials import DB, Case, Trials, cases, draw

IN_A_ROW = 3
MOST_TRIES = 3
"""Runs for each kill that was asked for; some end before their moment has come."""
SUMS = ("kills", "lost", "half_done", "repaired", "damaged", "left_running", "not_finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        files: pictures and texts that are indexed in the small collection.
        rows: sizes of the collections of random vectors.
        kills: kills of each command at each size.
        added: files that are added to a collection of random vectors.
    """

    files: int = 4_000
    rows: tuple[int, ...] = (2_000, 200_000)
    kills: int = 8
    added: int = 40


SMALL = Scale(files=60, rows=(300,), kills=2, added=10)


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Kill every command at every size."""
    by_command: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = Program(folder / "encoder")
        for number, case in enumerate(_cases(program, folder, scale)):
            by_command[case.name] = kill(program, case, folder / "trial", kills=scale.kills, seed=number)
            sys.stderr.write(f"{case.name}: {json.dumps(by_command[case.name])}\n")
    return {
        **{name: sum(one[name] for one in by_command.values()) for name in SUMS},
        "dim": DIM,
        "by_command": by_command,
    }


def kill(program: Program, case: Case, folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """Kill a command until there are as many kills as asked for; return what they led to."""
    trials, chance = Trials(program, case, folder), random.Random(seed)
    counts = {"kills": 0, "ended_before": 0, "left_running": 0}
    planned = 0
    while counts["kills"] < kills and planned < MOST_TRIES * kills:
        trials.begin()
        for _ in range(min(IN_A_ROW, kills - counts["kills"])):
            moment_s = (planned % kills + chance.random()) / kills * trials.seconds
            planned += 1
            process = program.start(*trials.arguments)
            time.sleep(moment_s)
            was_running = process.poll() is None
            process.kill()
            process.wait()
            counts["left_running"] += left_running(process.pid)
            counts["kills" if was_running else "ended_before"] += 1
            trials.judge(f"killed after {moment_s:.2f} s of {trials.seconds:.2f} s")
            if not was_running:
                break
        trials.finish()
    return {**counts, **trials.found.summary()}


def _cases(program: Program, folder: Path, scale: Scale) -> Iterator[Case]:
    """Prepare and yield an index run from nothing, then every command at every size."""
    draw(folder / "media", scale.files)
    (folder / "empty").mkdir()
    yield Case(
        name=f"index, {scale.files:,} files into a new collection",
        start=folder / "empty",
        command=("index", str(folder / "media"), *DB, "--encoder", "free", "--quiet"),
        is_whole=False,
    )
    for rows in scale.rows:
        yield from cases(program, folder, rows=rows, added=scale.added)
