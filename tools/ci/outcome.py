"""The outcomes of the stages of CI: how each ended, the tests that it ran and skipped, and the summary as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.ci.stages import Stage
from tools.junit import read_cases

CANNOT_RUN = 77
"""The exit status of a stage that this machine cannot run, as automake has it."""
PACKAGES = ("unite_search", "indexers")
KINDS = ("passed", "failed", "skipped")


@dataclass(frozen=True, kw_only=True)
class Tests:
    """The outcomes of the tests of a stage.

    Attributes:
        passed: the names of the tests that passed.
        failed: the names of the tests that failed.
        skipped: the reason for each skipped test; a module that could not be imported is named as a whole.
    """

    __test__ = False

    passed: frozenset[str] = frozenset()
    failed: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    def __bool__(self) -> bool:
        return bool(self.passed or self.failed or self.skipped)

    def has_run(self, name: str) -> bool:
        """Return whether a test, or any test of a module, passed or failed."""
        return any(one == name or one.startswith(f"{name}::") for one in (*self.passed, *self.failed))


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """How a stage ended: its exit status (None if it was not run), its seconds, and its tests."""

    stage: Stage
    status: int | None
    seconds: float = 0.0
    tests: Tests = field(default_factory=Tests)

    @property
    def is_bad(self) -> bool:
        """Return whether this outcome makes CI fail."""
        return self.status not in (0, CANNOT_RUN)

    @property
    def word(self) -> str:
        """Return the outcome in one to three words."""
        words = {None: "not run", 0: "passed", CANNOT_RUN: "CANNOT RUN HERE"}
        return words.get(self.status, f"FAILED ({self.status})")


def read_report(path: Path | None) -> Tests:
    """Read the tests of a JUnit file; a missing file has none."""
    if path is None or not path.is_file():
        return Tests()
    cases = [("::".join(filter(None, (case.module, case.name))), case) for case in read_cases(path)]
    return Tests(
        passed=frozenset(name for name, case in cases if case.outcome == "passed"),
        failed=tuple(name for name, case in cases if case.outcome == "failed"),
        skipped={name: case.reason for name, case in cases if case.outcome == "skipped"},
    )


def line_coverage(path: Path) -> dict[str, float]:
    """Read the percentage of executed lines of each package from coverage.py's JSON; a missing file has none."""
    if not path.is_file():
        return {}
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    found = {}
    for package in PACKAGES:
        counts = [entry["summary"] for name, entry in files.items() if Path(name).parts[0] == package]
        lines = sum(count["num_statements"] for count in counts)
        found[package] = 100 * sum(count["covered_lines"] for count in counts) / lines if lines else 0.0
    return found


def summary(outcomes: Sequence[StageOutcome], coverage: dict[str, float], remarks: Iterable[str]) -> str:
    """Return the outcomes of all stages as text; the last line counts their tests."""
    lines = ["", "=" * 30 + " summary of CI " + "=" * 30]
    for outcome in outcomes:
        counts = str(outcome.tests or "")
        lines.append(f"{outcome.stage.name:16} {outcome.word:16} {outcome.seconds:6.0f} s  {counts}".rstrip())
    lines.append(f"{'together':34}{sum(outcome.seconds for outcome in outcomes):6.0f} s")
    lines += [f"line coverage of {package}: {percent:.1f} %" for package, percent in coverage.items()]
    for outcome in outcomes:
        lines += [f"failed in {outcome.stage.name}: {name}" for name in outcome.tests.failed]
    lines += [*_skips(outcomes), *(f"NOT TESTED: {remark}" for remark in remarks)]
    passed, failed, skipped = (sum(len(getattr(one.tests, kind)) for one in outcomes) for kind in KINDS)
    return "\n".join([*lines, f"{passed} passed, {failed} failed, {skipped} skipped", ""])


def _skips(outcomes: Sequence[StageOutcome]) -> Iterable[str]:
    """List the tests that no stage ran, and those that one stage skipped and another ran, with the reasons."""
    for outcome in outcomes:
        name = outcome.stage.name
        if outcome.status is None:
            yield f"NOT TESTED: {name}: a stage that it needs did not pass"
        if outcome.status == CANNOT_RUN:
            yield f"NOT TESTED: {name}: this machine cannot run it; its messages are above"
        counts: Counter[tuple[bool, str]] = Counter()
        for test, reason in outcome.tests.skipped.items():
            counts[any(other.tests.has_run(test) for other in outcomes), reason] += 1
        for (is_run_elsewhere, reason), count in sorted(counts.items()):
            head = f"skipped in {name} but run in another stage" if is_run_elsewhere else f"NOT TESTED: {name}"
            yield f"{head}: {count}: {reason}"
