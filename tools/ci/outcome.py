"""What became of the stages of CI: how each ended, the tests that it ran and skipped, and the summary as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tools.ci.stages import Stage

CANNOT_RUN = 77
"""The exit status of a stage that this machine cannot run, as automake has it."""
PACKAGES = ("unite_search", "indexers")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the tests of one stage or of several.

    Attributes:
        passed: how many passed.
        failed: the names of those that failed.
        skipped: how many were skipped, by the reason given.
    """

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a stage ended: its exit status (None if it was not run), its seconds, and its tests."""

    stage: Stage
    status: int | None
    seconds: float = 0.0
    tests: Counts = field(default_factory=Counts)

    @property
    def is_bad(self) -> bool:
        """Whether CI has failed because of it."""
        return self.status not in (0, CANNOT_RUN)

    @property
    def word(self) -> str:
        """How it ended, in a word or three."""
        words = {None: "not run", 0: "passed", CANNOT_RUN: "CANNOT RUN HERE"}
        return words.get(self.status, f"FAILED ({self.status})")


def read_report(path: Path | None) -> Counts:
    """The tests of a JUnit file; none where it was not written."""
    if path is None or not path.is_file():
        return Counts()
    passed, failed, skipped = 0, [], Counter[str]()
    for case in ElementTree.parse(path).iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append("::".join(filter(None, (case.get("classname"), case.get("name")))))
        elif skip is not None:
            skipped[skip.get("message") or "no reason given"] += 1
        else:
            passed += 1
    return Counts(passed=passed, failed=tuple(failed), skipped=skipped)


def line_coverage(path: Path) -> dict[str, float]:
    """Percent of the lines of each package that ran, from coverage.py's JSON; empty where it was not written."""
    if not path.is_file():
        return {}
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    found = {}
    for package in PACKAGES:
        counts = [entry["summary"] for name, entry in files.items() if Path(name).parts[0] == package]
        lines = sum(count["num_statements"] for count in counts)
        found[package] = 100 * sum(count["covered_lines"] for count in counts) / lines if lines else 0.0
    return found


def summary(outcomes: Sequence[Outcome], coverage: dict[str, float], remarks: Iterable[str]) -> str:
    """All of it as text; the last line counts the tests of all stages."""
    lines = ["", "=" * 30 + " summary of CI " + "=" * 30]
    for outcome in outcomes:
        lines.append(f"{outcome.stage.name:16} {outcome.word:16} {outcome.seconds:6.0f} s  {_counts(outcome.tests)}")
    lines.append(f"{'together':34}{sum(outcome.seconds for outcome in outcomes):6.0f} s")
    lines += [f"line coverage of {package}: {percent:.1f} %" for package, percent in coverage.items()]
    for outcome in outcomes:
        lines += [f"failed in {outcome.stage.name}: {name}" for name in outcome.tests.failed]
    lines += [f"NOT TESTED: {line}" for line in (*_not_tested(outcomes), *remarks)]
    total = sum((outcome.tests for outcome in outcomes), Counts())
    counts = f"{total.passed} passed, {len(total.failed)} failed, {total.skipped.total()} skipped"
    return "\n".join([*lines, counts, ""])


def _counts(tests: Counts) -> str:
    if not (tests.passed or tests.failed or tests.skipped):
        return ""
    return f"{tests.passed} passed, {len(tests.failed)} failed, {tests.skipped.total()} skipped"


def _not_tested(outcomes: Sequence[Outcome]) -> Iterable[str]:
    for outcome in outcomes:
        name = outcome.stage.name
        if outcome.status is None:
            yield f"{name}: a stage that it needs did not pass"
        if outcome.status == CANNOT_RUN:
            yield f"{name}: this machine cannot run it; its messages are above"
        for reason, count in outcome.tests.skipped.items():
            yield f"{name}: {count} tests: {reason}"
