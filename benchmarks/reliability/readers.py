"""A hundred readers ask a collection while a writer indexes and removes and a copier copies the folder.

Every answer of a reader is compared with NumPy: the nearest rows among vectors that are never removed, and all files of
the runs that were committed before the reader looked. Every copy that `cp -r` made while the writer was at work must
open, pass `verify`, at most after `repair`, and hold everything that was committed before the copy began.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.exported import random_rows, write_export
from benchmarks.reliability.commands import DIM, Program, free_encoder
from benchmarks.reliability.record import differences, read_record
from benchmarks.reliability.runs import FILES, Journal, text_of
from unite_search.encoders.base import EncoderOptions

REMOVE_EVERY = 3
PAUSE_S = 2.0
"""Between two copies."""
FAULTS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        rows: vectors that are never removed.
        processes: processes that read.
        threads: readers in each process, each with a collection of its own.
        seconds: how long.
    """

    rows: int = 20_000
    processes: int = 10
    threads: int = 10
    seconds: float = 180


SMALL = Scale(rows=300, processes=1, threads=3, seconds=12)


@dataclass(slots=True)
class Copies:
    """What became of the copies.

    Attributes:
        made: how many copies were made.
        incomplete: copies of which `cp` said that a file had vanished while it was copying.
        clean: copies that pass `verify` as they are.
        repaired: copies that pass it after `repair`.
        damaged: copies that cannot be opened or do not pass it.
        lost: files that were committed before a copy began and that it does not hold.
        faults: what went wrong, in words.
    """

    made: int = 0
    incomplete: int = 0
    clean: int = 0
    repaired: int = 0
    damaged: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list)


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Read, write and copy for a while; return what was seen."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program, database = Program(folder / "encoder"), folder / "db"
        write_export(folder / "vectors", random_rows(scale.rows, DIM), free_encoder(EncoderOptions()))
        program.ok("import", str(folder / "vectors"), "--db", str(database))
        journal, stopped, copies = Journal(folder / "journal"), threading.Event(), Copies()
        copier = threading.Thread(target=_copy, args=(program, database, journal, stopped, copies))
        readers = [_reader(folder, scale, number) for number in range(scale.processes)]
        copier.start()
        try:
            writes = _write_for(scale.seconds, program, folder, journal)
        finally:
            stopped.set()
            copier.join()
        answers = [json.loads(reader.communicate(timeout=600)[0] or "{}") for reader in readers]
        verified = program.run("verify", "--db", str(database))
        final = read_record(database)
        lost = _lost(journal.committed(), final.contents.keys())
    return {
        "readers": scale.processes * scale.threads,
        "seconds": scale.seconds,
        **writes,
        "answers": sum(one.get("answers", 0) for one in answers),
        "versions_seen": max(one.get("versions", 0) for one in answers),
        "wrong_answers": sum(one.get("wrong", 0) for one in answers),
        "reader_errors": sum(one.get("errors", 0) for one in answers) + sum(not one for one in answers),
        "first_faults": [fault for one in answers for fault in one.get("faults", [])][:FAULTS_SHOWN],
        "copies": {name: getattr(copies, name) for name in Copies.__dataclass_fields__},
        "lost": len(lost),
        "verify": verified.stdout.strip(),
    }


def _reader(folder: Path, scale: Scale, number: int) -> subprocess.Popen[str]:
    """Start a process with some readers; see `reader.py`."""
    arguments = [folder / "db", folder / "vectors", folder / "journal", scale.threads, scale.seconds, number]
    command = [sys.executable, "-m", "benchmarks.reliability.reader", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2])


def _write_for(seconds: float, program: Program, folder: Path, journal: Journal) -> dict[str, int]:
    """Index a new folder in each run, and remove an older one now and then; a failing command is counted."""
    until, runs, removed, failed = time.monotonic() + seconds, 0, 0, 0
    while time.monotonic() < until:
        media = folder / "media" / f"run-{runs}"
        media.mkdir(parents=True)
        for number in range(FILES):
            (media / f"{number}.txt").write_text(text_of(media.name, number), encoding="utf-8")
        failed += program.run("index", str(media), "--db", str(folder / "db"), "--quiet").code != 0
        journal.write("committed", media)
        runs += 1
        if runs % REMOVE_EVERY == 0:
            old = folder / "media" / f"run-{removed}"
            journal.write("removing", old)
            failed += program.run("remove", str(old), "--yes", "--db", str(folder / "db")).code != 0
            removed += 1
    return {"index_runs": runs, "remove_runs": removed, "failed_writes": failed}


def _copy(program: Program, database: Path, journal: Journal, stopped: threading.Event, copies: Copies) -> None:
    base = read_record(database)
    while not stopped.wait(PAUSE_S):
        copy = database.with_name(f"copy-{copies.made}")
        before = journal.committed()
        copied = subprocess.run(["cp", "-r", str(database), str(copy)], capture_output=True, check=False)
        kept = before - journal.removing()
        copies.made += 1
        copies.incomplete += copied.returncode != 0
        _judge_copy(program, copy, copies)
        try:
            now = read_record(copy)
            lost = [*differences(now, base, now), *_lost(kept, now.contents.keys())]
        except (OSError, ValueError) as error:
            lost = [str(error)]
        copies.lost += len(lost)
        if lost and len(copies.faults) < FAULTS_SHOWN:
            copies.faults.append(f"{len(lost)} lost: {lost[0][:300]}")
        shutil.rmtree(copy)


def _judge_copy(program: Program, copy: Path, copies: Copies) -> None:
    verified = program.run("verify", "--db", str(copy))
    if not verified.code:
        copies.clean += 1
    elif not program.run("repair", "--db", str(copy)).code and not program.run("verify", "--db", str(copy)).code:
        copies.repaired += 1
    else:
        copies.damaged += 1
        if len(copies.faults) < FAULTS_SHOWN:
            copies.faults.append(f"verify: {verified.stdout[-200:]}{verified.last_line[-300:]}")


def _lost(folders: frozenset[str], uris: Any) -> list[str]:
    """Return the files of some runs that are not among the files of a collection."""
    return [
        f"{folder}/{number}.txt"
        for folder in folders
        for number in range(FILES)
        if f"{folder}/{number}.txt" not in uris
    ]
