"""Change the code in small ways and check whether the tests fail: a mutation tester for changed lines or named files.

    python -m tools.mutate --files indexers/spec.py [--tests tests/test_golden.py] [--sample 40 --seed 1] [--json FILE]
    python -m tools.mutate --since main

Each mutant of `tools.mutants` runs in a copy of the tree, against the tests named after its file
(`tests/test_PACKAGE_MODULE*.py`) and those of `--tests`, until the first failure. A mutant with which no test fails
*survives*; one that takes several times the time of a clean run counts as killed.

`tools/equivalent_mutants.json` lists mutants without observable effect, each with its reason; survivors among them are
not counted. An entry is found again by its file, function, line of text and changed line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tools.mutants import Mutant, mutants_of

PACKAGES = ("unite_search", "indexers", "benchmarks", "train")
EQUIVALENT_MUTANTS = Path("tools") / "equivalent_mutants.json"
AT_ONCE = 2
TIMEOUT_CLEAN_RUNS = 5
SHORTEST_TIMEOUT_S = 20.0
LONGEST_CLEAN_RUN_S = 900.0
NO_TESTS_COLLECTED = 5


def changed_lines(root: Path, revision: str) -> dict[str, set[int]]:
    """Return the lines of the packages' Python files that were added or changed since a revision, by file."""
    command = ["git", "diff", "--unified=0", "--no-color", "--diff-filter=d", revision, "--", *PACKAGES]
    diff = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    lines: defaultdict[str, set[int]] = defaultdict(set)
    file = ""
    for line in diff.splitlines():
        if line.startswith("+++ b/"):
            file = line.removeprefix("+++ b/")
        elif (hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line)) and file.endswith(".py"):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            lines[file] |= set(range(first, first + count))
    return lines


def tests_for(root: Path, file: str) -> list[str]:
    """Return the test files that are named after a source file."""
    name = "_".join(Path(file).with_suffix("").parts)
    return sorted(path.relative_to(root).as_posix() for path in (root / "tests").glob(f"test_{name}*.py"))


def known_equivalents(path: Path) -> dict[tuple[str, str, str, str], str]:
    """Return the reasons of the listed mutants, by key."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {(entry["file"], entry["function"], entry["line"], entry["mutant"]): entry["reason"] for entry in entries}


class Workplace:
    """A copy of the tree in which one mutant at a time is tried; the tree itself never changes."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = folder / "tree"
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                (self._root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self._root / name)
        shared = root.parent / "shared"
        if shared.is_dir():
            (folder / "shared").symlink_to(shared.resolve())

    def outcome(self, file: str, source: str, tests: Sequence[str], timeout_s: float) -> str:
        """Run the tests with a changed file, then restore it; return survived, killed or timeout."""
        path = self._root / file
        original = path.read_text(encoding="utf-8")
        self._write(path, source)
        try:
            return self.run(tests, timeout_s)
        finally:
            self._write(path, original)

    def run(self, tests: Sequence[str], timeout_s: float) -> str:
        """Run some tests until the first failure; return survived, killed or timeout.

        Plugins of pytest are not loaded: loading takes longer than most tests, and none of ours needs one.

        Raises:
            RuntimeError: the named files hold no tests.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        environment = {**os.environ, "PYTHONPATH": str(self._root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        process = subprocess.Popen(
            command,
            cwd=self._root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            _end_group(process)
        if code == NO_TESTS_COLLECTED:
            raise RuntimeError(f"no tests in {' '.join(tests)}")
        return "killed" if code else "survived"

    def _write(self, path: Path, source: str) -> None:
        """Write a file and remove its compiled form, which Python would accept if second and size agree."""
        path.write_text(source, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the processes that the tests left running, in the session that was made for them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def outcomes(root: Path, mutants: Sequence[Mutant], tests: dict[str, list[str]]) -> list[str]:
    """Return the outcome of each mutant, in order. The quickest tests run first.

    Raises:
        RuntimeError: the tests fail without a mutant.
    """
    sources = {file: (root / file).read_text(encoding="utf-8") for file in tests}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free: SimpleQueue[Workplace] = SimpleQueue()
        for number in range(AT_ONCE):
            free.put(Workplace(root, Path(folder) / str(number)))
        durations = {
            test: _duration(free, test) for test in sorted({name for names in tests.values() for name in names})
        }
        quickest = {file: sorted(names, key=durations.__getitem__) for file, names in tests.items()}
        timeouts = {file: _timeout_s(durations[name] for name in names) for file, names in tests.items()}

        def tried(mutant: Mutant) -> str:
            place = free.get()
            try:
                changed = mutant.applied(sources[mutant.file])
                result = place.outcome(mutant.file, changed, quickest[mutant.file], timeouts[mutant.file])
            finally:
                free.put(place)
            sys.stderr.write({"killed": ".", "timeout": "t", "survived": "S"}[result])
            sys.stderr.flush()
            return result

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(tried, mutants))


def _duration(free: SimpleQueue[Workplace], test: str) -> float:
    """Measure the seconds that a test file takes without a mutant."""
    place = free.get()
    started = time.monotonic()
    result = place.run([test], LONGEST_CLEAN_RUN_S)
    free.put(place)
    if result != "survived":
        raise RuntimeError(f"without any mutant {test} ends with {result!r}")
    return time.monotonic() - started


def _timeout_s(durations: Iterable[float]) -> float:
    return max(SHORTEST_TIMEOUT_S, TIMEOUT_CLEAN_RUNS * sum(durations))


def chosen_mutants(root: Path, arguments: argparse.Namespace) -> list[Mutant]:
    """Return the mutants that the command line selects, in the order of the source."""
    lines = changed_lines(root, arguments.since) if arguments.since else {}
    found = []
    for file in arguments.files or sorted(lines):
        source = (root / file).read_text(encoding="utf-8")
        mutants = mutants_of(file, source)
        found += [one for one in mutants if not arguments.since or one.line(source) in lines.get(file, ())]
    if arguments.sample is not None and arguments.sample < len(found):
        picked = random.Random(arguments.seed).sample(range(len(found)), arguments.sample)
        found = [found[number] for number in sorted(picked)]
    return found


def report(root: Path, mutants: Sequence[Mutant], results: Sequence[str]) -> dict[str, Any]:
    """Return counts by file and the survivors with their diffs, ready for JSON."""
    equivalents = known_equivalents(root / EQUIVALENT_MUTANTS)
    files: defaultdict[str, Counter[str]] = defaultdict(Counter)
    survivors = []
    for mutant, result in zip(mutants, results, strict=True):
        source = (root / mutant.file).read_text(encoding="utf-8")
        key = mutant.key(source)
        is_equivalent = result == "survived" and key in equivalents
        files[mutant.file]["equivalent" if is_equivalent else result] += 1
        if result == "survived" and not is_equivalent:
            entry = dict(zip(("file", "function", "line", "mutant"), key, strict=True))
            survivors.append({**entry, "operator": mutant.operator, "diff": mutant.diff(source)})
    return {"files": {file: _score(counts) for file, counts in files.items()}, "survivors": survivors}


def _score(counts: Counter[str]) -> dict[str, float]:
    counted = counts.total() - counts["equivalent"]
    share = counts["survived"] / counted if counted else 0.0
    names = ("killed", "timeout", "survived", "equivalent")
    return {**{name: counts[name] for name in names}, "survived_share": round(share, 4)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Change the code in small ways and see whether the tests notice.")
    parser.add_argument("--files", nargs="+", default=[], metavar="F", help="Source files. Default: those changed.")
    parser.add_argument("--since", metavar="REV", help="Only lines that changed since this revision.")
    parser.add_argument("--sample", type=int, metavar="N", help="Try so many, drawn at random. Default: all.")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="Of the draw. Default: 0.")
    parser.add_argument("--tests", nargs="+", default=[], metavar="T", help="Test files beside those named after F.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the result there.")
    arguments = parser.parse_args()
    if not (arguments.files or arguments.since):
        parser.error("give --files or --since")
    return arguments


def main() -> None:
    """Try the mutants; print the survivors and a line for each file."""
    arguments = _arguments()
    root = Path.cwd()
    mutants = chosen_mutants(root, arguments)
    tests = {one.file: sorted({*tests_for(root, one.file), *arguments.tests}) for one in mutants}
    for file, names in tests.items():
        if not names:
            raise SystemExit(f"no tests are named after {file}; give some with --tests")
    result = report(root, mutants, outcomes(root, mutants, tests))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stderr.write("\n")
    for survivor in result["survivors"]:
        sys.stdout.write(f"{survivor['diff']}\n\n")
    for file, score in result["files"].items():
        counts = ", ".join(f"{score[name]} {name}" for name in ("killed", "timeout", "survived", "equivalent"))
        sys.stdout.write(f"{file}: {counts}; {100 * score['survived_share']:.1f} % survived\n")


if __name__ == "__main__":
    main()
