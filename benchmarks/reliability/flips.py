"""Flip single bits in every kind of file of a collection, and see whether `verify` notices.

A flip is noticed if `verify` exits with an error, or if opening the collection says that something was repaired or is
refused. If neither happens, a search is compared with the answer of the undamaged collection: a wrong answer that
nobody noticed is the worst that can happen.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lance

from benchmarks.common.exported import random_rows, write_export
from benchmarks.reliability.commands import DIM, Ended, Program, free_encoder
from benchmarks.reliability.record import listing
from benchmarks.reliability.trials import draw, flip
from unite_search.encoders.base import EncoderOptions

ADDED = 20
EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        rows: rows of the collection; above 50,000 the catalog has an index, above 20,000 partitions have a delta.
        flips: single flipped bits in each kind of file.
        cells: cells of the vector index.
    """

    rows: int = 60_000
    flips: int = 60
    cells: int = 256


SMALL = Scale(rows=600, flips=1, cells=64)


@dataclass(slots=True)
class Found:
    """What the flips in one kind of file led to.

    Attributes:
        flips: how many bits were flipped, one at a time.
        noticed: by `verify` or by opening the collection.
        wrong_answers: flips that nobody noticed and that changed the answer of a search.
        raw_errors: messages that no user should read, such as a traceback or a panic.
        missed: where the first flips were that nobody noticed.
    """

    flips: int = 0
    noticed: int = 0
    wrong_answers: int = 0
    raw_errors: int = 0
    missed: list[str] = field(default_factory=list)


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Flip bits in each kind of file."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = Program(folder / "encoder")
        make_collection(program, folder, scale)
        flipping = Flipping(program, folder / "db")
        by_kind = {kind: flipping.run(kind, scale.flips) for kind in kinds(folder / "db")}
    total = {name: sum(one[name] for one in by_kind.values()) for name in ("flips", "noticed", "wrong_answers")}
    raw = sum(one["raw_errors"] for one in by_kind.values())
    return {
        "rows": scale.rows,
        **total,
        "missed": total["flips"] - total["noticed"],
        "raw_errors": raw,
        "by_kind": by_kind,
    }


def make_collection(program: Program, folder: Path, scale: Scale) -> None:
    """Make a collection that has every kind of file: codes in cells, a delta, tombstones, an index of the catalog."""
    write_export(folder / "vectors", random_rows(scale.rows, DIM), free_encoder(EncoderOptions()))
    database = ("--db", str(folder / "db"))
    program.ok("import", str(folder / "vectors"), *database)
    program.ok("rebuild", "--index-type", f"IVF{scale.cells},int8", *database)
    draw(folder / "media", ADDED)
    program.ok("index", str(folder / "media"), *database, "--quiet")
    program.ok("remove", "--where", "id % 100 = 7", "--yes", *database)


def kinds(database: Path) -> dict[str, list[Path]]:
    """Return the files of each kind that the newest state of a collection consists of."""
    table, catalog = lance.dataset(str(database / "catalog" / "items.lance")), database / "catalog" / "items.lance"
    fragments = table.get_fragments()
    indexes = {segment.uuid for index in table.describe_indices() for segment in index.segments}
    partitions = database / "partitions"
    found = {
        "collection.json": [database / "collection.json"],
        "catalog: rows": [catalog / "data" / file.path for fragment in fragments for file in fragment.data_files()],
        "catalog: removed rows": [catalog / name for name in map(_deletions, fragments) if name],
        "catalog: version": [min((catalog / "_versions").glob("*.manifest"))],
        "catalog: hint of the newest version": [catalog / "_versions" / "latest_version_hint.json"],
        "catalog: transaction": sorted((catalog / "_transactions").glob(f"{table.version - 1}-*")),
        "catalog: index": [path for uuid in indexes for path in sorted((catalog / "_indices" / str(uuid)).iterdir())],
        "partitions: manifest": [partitions / "manifest.json"],
    }
    for path in sorted(partitions.glob("*.*.*")):
        name = ".".join(part for part in path.name.split(".")[1:] if not part.isdigit())
        found.setdefault(f"partitions: {name}", []).append(path)
    for path in sorted((database / "catalog").rglob("*")):
        if path.is_file() and catalog not in path.parents:
            found.setdefault(f"catalog: {path.relative_to(database / 'catalog').parts[0]}", []).append(path)
    return {kind: files for kind, files in found.items() if files}


def _deletions(fragment: Any) -> str | None:
    file = fragment.deletion_file()
    return None if file is None else str(file)


class Flipping:
    """Flips in one collection, each of which is undone."""

    def __init__(self, program: Program, database: Path) -> None:
        """Take the answer of the undamaged collection."""
        self._program, self._database = program, database
        self._kept = database.with_name("kept")
        shutil.copytree(database, self._kept)
        self._listing = listing(database)
        program.ok("verify", "--db", str(database))
        self._answer = self._search().stdout

    def run(self, kind: str, flips: int) -> dict[str, Any]:
        """Flip bits in the files of one kind, one bit at a time."""
        found, chance = Found(), random.Random(kind)
        for _ in range(flips):
            path = chance.choice([path for path in kinds(self._database)[kind] if path.stat().st_size])
            bit = chance.randrange(8 * path.stat().st_size)
            flip(path, bit)
            self._judge(found, f"bit {bit % 8} of byte {bit // 8} of {path.relative_to(self._database)}")
            flip(path, bit)
            if listing(self._database) != self._listing:
                shutil.rmtree(self._database)
                shutil.copytree(self._kept, self._database)
        sys.stderr.write(f"{kind}: {found}\n")
        return asdict(found)

    def _judge(self, found: Found, where: str) -> None:
        found.flips += 1
        verified = self._program.run("verify", "--json", "--db", str(self._database))
        if verified.is_raw:
            found.raw_errors += 1
        if verified.code or verified.stderr:
            found.noticed += 1
            return
        asked = self._search()
        if asked.code or asked.stderr:
            found.noticed += 1
            return
        found.wrong_answers += _without_times(asked.stdout) != _without_times(self._answer)
        if len(found.missed) < EXAMPLES:
            found.missed.append(where)

    def _search(self) -> Ended:
        return self._program.run("similar", "11", "--in", "image", "--json", "--db", str(self._database))


def _without_times(answer: str) -> Any:
    content = json.loads(answer)
    return {name: value for name, value in content.items() if not name.endswith("_ms")}
