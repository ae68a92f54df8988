"""Which tests may be skipped in which job of CI: `expected_skips.toml`, compared with what a run really skipped.

A run belongs to a job when `$UNITE_SEARCH_TEST_JOB` names one; under `CI=true` without it, the job is `full`. In a job,
a skip that the list does not expect fails the run, and so does an entry of the list that no test matched when the whole
suite ran. Without a job nothing is compared: what cannot run is skipped, and pytest's summary says why.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).parent / "expected_skips.toml"
JOB_VARIABLE = "UNITE_SEARCH_TEST_JOB"


@dataclass(frozen=True)
class ExpectedSkip:
    """Tests that some jobs may be unable to run: a pattern of node ids, a piece of the reason given there, and why."""

    test: str
    reason: str
    jobs: tuple[str, ...]
    why: str

    def allows(self, node: str, reason: str) -> bool:
        return fnmatchcase(node, self.test) and self.reason in reason


def read_expected(path: Path, job: str) -> list[ExpectedSkip]:
    """The entries of a job.

    Raises:
        pytest.UsageError: the file does not know the job.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    if job not in content["jobs"]:
        raise pytest.UsageError(f"{path.name} has no job {job!r}; it knows {', '.join(content['jobs'])}")
    entries = [ExpectedSkip(**{**entry, "jobs": tuple(entry["jobs"])}) for entry in content["skip"]]
    return [entry for entry in entries if job in entry.jobs]


def job_of(environment: dict[str, str]) -> str | None:
    """The job that the environment names, or `full` under CI; None outside CI."""
    return environment.get(JOB_VARIABLE) or ("full" if environment.get("CI") == "true" else None)


class SkipPolicy:
    """A pytest plugin that fails a run whose skips are not the expected ones."""

    def __init__(self, config: pytest.Config, path: Path, job: str) -> None:
        self._path, self._job = path, job
        self._expected = read_expected(path, job)
        narrowed = config.option.keyword or config.option.markexpr
        self._is_whole = config.args_source != pytest.Config.ArgsSource.ARGS and not narrowed
        self._seen: set[str] = set()
        self._skipped: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        self._seen.add(report.nodeid)
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._skipped.append((report.nodeid, reason))

    def complaints(self) -> list[str]:
        """What differs from the list, a line each."""
        found = [
            f"unexpected skip in job {self._job!r}: {node}: {reason}"
            for node, reason in self._skipped
            if not any(entry.allows(node, reason) for entry in self._expected)
        ]
        if self._is_whole:
            found += [
                f"{self._path.name} names a test that does not exist: {entry.test}"
                for entry in self._expected
                if not any(fnmatchcase(node, entry.test) for node in self._seen)
            ]
        return found

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.complaints() and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.complaints():
            terminalreporter.write_line(line, red=True)


def register(config: pytest.Config, path: Path = LIST) -> None:
    """Compare this run's skips with the list if the run belongs to a job.

    Workers of pytest-xdist compare nothing: the process that started them receives all their reports.
    """
    job = job_of(dict(os.environ))
    if job is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipPolicy(config, path, job), "expected-skips")
