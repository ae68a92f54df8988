"""Ask thirty queries as a person types them, with the commands of this checkout and of another one.

    python -m benchmarks typed-queries --data ../shared/data --against ../main
    python -m benchmarks typed-queries --keep DIR       keep the library and both collections, to look at the files

The library, the queries, and what was seen by eye are in `data/typed-queries.json`. Each command indexes the same
library into a collection of its own and answers with `query --json`. A command that lacks an option of a query has no
answer to it. The verdicts were given by a person's look at the files and are not computed here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.command import PROGRAM, run_program
from benchmarks.common.results import RESULTS, write_result
from benchmarks.quality.typed_library import write_library

NAME = "typed-queries"
PLAN = Path(__file__).parent / "data" / f"{NAME}.json"
SHOWN = 5
THIRD_HIT = "{third}"
USAGE_ERROR = 2
Answer = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, make the library, ask, and store the answers."""
    given = _parsed(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        results = run(given.data.resolve(), folder, given.against and given.against.resolve())
    path = write_result(NAME, results, given.out)
    sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


def run(data: Path, folder: Path, against: Path | None) -> dict[str, Any]:
    """Write the library into `folder`, index it with each command and ask it every query.

    Args:
        data: folder that holds `captioned/` and `videos/`.
        folder: an existing folder for the library and the collections.
        against: another checkout, with its environment in `.venv`; None to ask this one alone.
    """
    plan = json.loads(PLAN.read_text(encoding="utf-8"))
    if not (folder / "library").exists():
        write_library(folder, data, plan)
    programs: dict[str, Sequence[str]] = {"after": PROGRAM}
    if against is not None:
        programs = {"before": [str(against / ".venv" / "bin" / "unite-search")], **programs}
    indexed = {name: _index(program, folder, name) for name, program in programs.items()}
    if against is not None:
        indexed["before"]["commit"] = _commit(against)
    queries = [
        {"typed": query["typed"], **{name: _ask(program, folder, name, query) for name, program in programs.items()}}
        for query in plan["queries"]
    ]
    files = [path for path in (folder / "library").rglob("*") if path.is_file()]
    clips = sum(path.parent.name == "Clips" for path in files)
    return {"files": len(files), "clips": clips, **indexed, "queries": queries}


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _index(program: Sequence[str], folder: Path, name: str) -> dict[str, Any]:
    done = run_program("index", str(folder / "library"), "--db", str(folder / name), "--quiet", program=program)
    return {"index_s": round(done.wall_s, 1)}


def _ask(program: Sequence[str], folder: Path, name: str, query: Mapping[str, Any]) -> Answer | None:
    """Return the first hits and the wall time of the whole command; None if the command lacks an option."""
    outside = {path.name: str(path) for path in folder.iterdir() if path.is_file()}
    arguments = [outside.get(argument, argument) for argument in query["arguments"]]
    if THIRD_HIT in arguments:
        first = _run(program, folder, name, arguments[:1])
        arguments[arguments.index(THIRD_HIT)] = str(first.output["hits"][2]["id"])
    try:
        done = _run(program, folder, name, arguments)
    except subprocess.CalledProcessError as error:
        if error.returncode != USAGE_ERROR:
            raise
        return None
    return {
        "milliseconds": round(done.wall_s * 1000),
        "is_weak": done.output.get("is_weak"),
        "hits": [_shown(hit, folder / "library") for hit in done.output["hits"][:SHOWN]],
    }


def _run(program: Sequence[str], folder: Path, name: str, arguments: Sequence[str]) -> Any:
    options = ("--db", str(folder / name), "--json", "--top-k", str(SHOWN))
    return run_program("query", *options, *arguments, program=program)


def _shown(hit: Mapping[str, Any], library: Path) -> Answer:
    """Return what is stored of a hit: its file in the library, its score, and what the command says about it."""
    shown: Answer = {"file": os.path.relpath(hit["uri"], library), "score": round(hit["score"], 2)}
    for flag in ("is_weak", "is_exact"):
        if hit.get(flag):
            shown[flag] = True
    if hit.get("copies"):
        shown["copies"] = [os.path.relpath(copy["uri"], library) for copy in hit["copies"]]
    return shown


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {NAME}", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds captioned/")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, with its environment in .venv")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an existing folder to keep the library in")
    return parser.parse_args(arguments)
