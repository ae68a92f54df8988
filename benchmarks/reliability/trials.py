"""A command that is disturbed: its state before, its state after an undisturbed run, and what is found in between.

After a disturbance, every file must be as it was before the command or as it is after it, whole and bit by bit the
same; what was committed once stays; and the collection passes `verify`, at most after `repair`. Then the same command
must run to its end, and everything must be as after the undisturbed run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lance
import numpy as np
from PIL import Image

from benchmarks.common.exported import random_rows, write_export
from benchmarks.reliability.commands import DIM, Program, free_encoder
from benchmarks.reliability.record import (
    EMPTY,
    Record,
    differences,
    listing,
    pattern,
    read_export,
    read_record,
    read_record_if_any,
)
from unite_search.encoders.base import EncoderOptions

FAULTS_SHOWN = 10
MIGRATIONS = {"float32": "int8", "int8": "IVF64,int8", "IVF64,int8": "float32"}
DB = ("--db", "{trial}/db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One command that is disturbed.

    Attributes:
        name: what the command does, and at which size.
        start: the folder with the state before: `db` and what else the command needs; copied for each trial.
        command: the arguments of the command; `{trial}` stands for the folder of a trial.
        is_whole: the command is one step, so either nothing or all of it is seen.
        is_refused_twice: the command is refused where its result exists: `import` and `export`.
        is_damaged: the state before does not pass `verify`, so that is asked at the end only.
        expected: what an undisturbed run must lead to; None if that is not known otherwise.
    """

    name: str
    start: Path
    command: tuple[str, ...]
    is_whole: bool = True
    is_refused_twice: bool = False
    is_damaged: bool = False
    expected: Record | None = None

    def arguments(self, trial: Path) -> list[str]:
        """Return the arguments of the command for the folder of a trial."""
        return [part.replace("{trial}", str(trial)) for part in self.command]

    def result(self, trial: Path) -> Record:
        """Read what the command makes: the export if it is one, else the collection."""
        if self.command[0] != "export":
            return read_record_if_any(trial / "db")
        return read_export(trial / "out") if (trial / "out").exists() else EMPTY


@dataclass(slots=True, kw_only=True)
class Found:
    """What the disturbances of one command led to.

    Attributes:
        seconds_undisturbed: how long the command takes.
        files: how many files the collection has at the end.
        lost: files that were lost, changed or embedded again.
        half_done: disturbances after which a command that is one step was done in part.
        repaired: disturbances after which `verify` found something and `repair` mended it.
        damaged: disturbances after which `verify` found something that stayed.
        not_finished: later runs that failed, or led to another state than the undisturbed run.
        leftover_files: the most files that stay after the last run and that an undisturbed run does not leave.
        size_ratio: the largest size after the last run, by that after an undisturbed run.
        faults: what went wrong, in words.
    """

    seconds_undisturbed: float = 0.0
    files: int = 0
    lost: int = 0
    half_done: int = 0
    repaired: int = 0
    damaged: int = 0
    not_finished: int = 0
    leftover_files: int = 0
    size_ratio: float = 0.0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note what went wrong."""
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(text)

    def summary(self) -> dict[str, Any]:
        """Return all of it for a JSON file."""
        return asdict(self)


class Trials:
    """The trials of one case in one folder, which is made anew for each."""

    def __init__(self, program: Program, case: Case, folder: Path) -> None:
        """Run the command undisturbed, to know how long it takes and what it leads to."""
        self.found = Found()
        self.folder = folder
        self._program, self._case = program, case
        self._start = self._committed = read_record_if_any(case.start / "db")
        self.begin()
        self._start_files, self._before = listing(folder), case.result(folder)
        self.seconds = program.ok(*case.arguments(folder)).seconds
        self._after_db, self._after = read_record_if_any(folder / "db"), case.result(folder)
        if case.expected is not None and case.expected.contents != self._after.contents:
            self.found.not_finished += 1
            self.found.fault("an undisturbed run does not lead to what it must")
        self._kinds_after, self._files = self._kinds(), listing(folder)
        self.found.seconds_undisturbed = round(self.seconds, 2)
        self.found.files = len(self._after_db)
        self.begin()

    @property
    def written(self) -> dict[str, int]:
        """The files that an undisturbed run leaves and that were not there before, with their sizes."""
        return {name: size for name, size in self._files.items() if self._start_files.get(name) != size}

    @property
    def arguments(self) -> list[str]:
        """The arguments of the command."""
        return self._case.arguments(self.folder)

    def begin(self) -> None:
        """Bring back the state before the command."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        shutil.copytree(self._case.start, self.folder)
        self._committed = self._start

    def judge(self, when: str) -> None:
        """Look at the state after a disturbance.

        Args:
            when: what happened, for the description of a fault.
        """
        try:
            self._judge_database(when, read_record_if_any(self.folder / "db"))
        except (OSError, ValueError) as error:
            self.found.lost += len(self._committed)
            self.found.fault(f"{when}: the catalog cannot be read: {str(error)[:300]}")
        if self._case.is_whole:
            self._judge_wholeness(when)
        if (self.folder / "db" / "collection.json").exists() and not self._case.is_damaged:
            self._verify(when)

    def finish(self) -> None:
        """Run the command to its end and compare with the undisturbed run."""
        found, case = self.found, self._case
        if not (case.is_refused_twice and self._is_done()):
            ended = self._program.run(*self.arguments)
            if ended.code:
                found.not_finished += 1
                found.fault(f"the run afterwards ended with {ended.code}: {ended.last_line}")
                return
        verified = self._program.run("verify", "--db", str(self.folder / "db"))
        is_same = read_record_if_any(self.folder / "db").contents == self._after_db.contents and self._is_done()
        if not is_same or verified.code or self._kinds() != self._kinds_after:
            found.not_finished += 1
            found.fault(f"after the end: the same as undisturbed: {is_same}, verify: {verified.stdout[-300:]}")
        self._count_leftovers()

    def _judge_database(self, when: str, now: Record) -> None:
        wrong = differences(now, self._committed, self._after_db)
        self.found.lost += len(wrong)
        if wrong:
            self.found.fault(f"{when}: {len(wrong)} files, such as {wrong[0]}")
        self._committed = now

    def _judge_wholeness(self, when: str) -> None:
        try:
            now = self._case.result(self.folder)
            if now.contents in (self._before.contents, self._after.contents):
                return
            fault = f"{len(now)} files; {len(self._before)} before, {len(self._after)} after"
        except (OSError, ValueError, KeyError) as error:
            fault = f"{type(error).__name__}: {str(error)[:300]}"
        self.found.half_done += 1
        self.found.fault(f"{when}: done in part: {fault}")

    def _verify(self, when: str) -> None:
        database = ("--db", str(self.folder / "db"))
        verified = self._program.run("verify", *database)
        if not verified.code:
            return
        repaired = self._program.run("repair", *database)
        if repaired.code or self._program.run("verify", *database).code:
            self.found.damaged += 1
            self.found.fault(f"{when}: verify: {verified.stdout[-200:]}{verified.last_line[-200:]}")
        else:
            self.found.repaired += 1

    def _is_done(self) -> bool:
        try:
            return self._case.result(self.folder).contents == self._after.contents
        except (OSError, ValueError, KeyError):
            return False

    def _kinds(self) -> dict[str, str]:
        """Return the kind of index of each partition."""
        content = json.loads((self.folder / "db" / "partitions" / "manifest.json").read_text(encoding="utf-8"))
        return {name: partition["spec"] for name, partition in content["partitions"].items()}

    def _count_leftovers(self) -> None:
        files, usual = listing(self.folder), {pattern(name) for name in self._files}
        extra = [name for name in files if pattern(name) not in usual]
        self.found.leftover_files = max(self.found.leftover_files, len(extra))
        if extra:
            self.found.fault(f"left over: {extra[0]}")
        ratio = sum(files.values()) / sum(self._files.values())
        self.found.size_ratio = round(max(self.found.size_ratio, ratio), 2)


def cases(program: Program, folder: Path, *, rows: int, added: int) -> Iterator[Case]:
    """Prepare and yield every command on a collection of random vectors; a case is to be used before the next.

    Args:
        program: the program.
        folder: where the collections are made.
        rows: rows of the collection.
        added: files that `index` adds.
    """
    vectors, start, media = folder / f"vectors-{rows}", folder / f"start-{rows}", folder / f"added-{rows}"
    (folder / f"empty-{rows}").mkdir()
    draw(media, added)
    write_export(vectors, random_rows(rows, DIM), free_encoder(EncoderOptions()))
    program.ok("import", str(vectors), "--db", str(start / "db"))
    size, empty, record = f"{rows:,} rows", folder / f"empty-{rows}", read_record(start / "db")
    yield Case(name=f"import, {size}", start=empty, command=("import", str(vectors), *DB), is_refused_twice=True)
    export = ("export", "{trial}/out", *DB)
    yield Case(name=f"export, {size}", start=start, command=export, is_refused_twice=True, expected=record)
    index = ("index", str(media), *DB, "--quiet")
    yield Case(name=f"index, {added} files into {size}", start=start, command=index, is_whole=False)
    quarter = f"id % 4 = 0 AND id < {rows}"
    yield Case(name=f"remove a quarter of {size}", start=start, command=("remove", "--where", quarter, "--yes", *DB))
    yield Case(name=f"rebuild, {size}", start=start, command=("rebuild", *DB), expected=record)
    for old, new in MIGRATIONS.items():
        before = folder / f"start-{rows}-{old}"
        shutil.copytree(start, before)
        program.ok("rebuild", "--index-type", old, "--db", str(before / "db"))
        migrate = ("rebuild", "--index-type", new, *DB)
        yield Case(name=f"migration from {old} to {new}, {size}", start=before, command=migrate, expected=record)
        shutil.rmtree(before)
    shutil.copytree(start, folder / f"damaged-{rows}")
    damage(folder / f"damaged-{rows}" / "db")
    yield Case(
        name=f"repair, {size}",
        start=folder / f"damaged-{rows}",
        command=("repair", *DB),
        is_whole=False,
        is_damaged=True,
        expected=record,
    )


def damage(database: Path) -> None:
    """Flip a bit of a vector in the catalog, and one of another vector in its partition.

    Raises:
        RuntimeError: the vector is not to be found in the files of the catalog.
    """
    table = database / "catalog" / "items.lance"
    vector = lance.dataset(str(table)).take([3], columns=["embedding"])["embedding"].combine_chunks().flatten()
    wanted = vector.to_numpy(zero_copy_only=False).astype(np.float16).tobytes()
    for path in (table / "data").iterdir():
        place = path.read_bytes().find(wanted)
        if place >= 0:
            flip(path, 8 * place + 6)
            break
    else:
        raise RuntimeError(f"no file below {table} holds the vector of row 3")
    for path in (database / "partitions").glob("*.rows.faiss"):
        flip(path, 4 * path.stat().st_size)


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b") as stream:
        stream.seek(bit // 8)
        byte = stream.read(1)[0]
        stream.seek(bit // 8)
        stream.write(bytes([byte ^ 1 << bit % 8]))


def draw(folder: Path, count: int) -> None:
    """Write pictures and texts that all differ; every fifth text is long enough for several passages."""
    folder.mkdir()
    for number in range(count):
        if number % 2:
            noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / f"{number:05}.png")
        else:
            words = 2000 if number % 10 == 0 else 20
            text = " ".join(f"word{number}x{word}" for word in range(words))
            (folder / f"{number:05}.txt").write_text(f"{number} {folder.name}: {text}\n", encoding="utf-8")
