"""The stages of CI: the command and environment of each, and its job in `tests/expected_skips.toml`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.ci.interpreters import Version, interpreters, oldest_and_newest

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "ci"
LOCK = "requirements/ci.txt"
COVERAGE = OUT / "coverage.json"
UNPRIVILEGED_USER = "nobody"
WORKERS = ("-n", "2", "--dist", "worksteal")
NO_TORCH = "import sys; from importlib.util import find_spec; sys.exit(find_spec('torch') is not None)"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of CI.

    Attributes:
        name: name in the summary.
        command: command line, run in the root of the checkout.
        environment: additional environment variables.
        needs: stages that must have passed before; otherwise this one is not run.
        report: the JUnit file that it writes if it runs tests.
        timeout_s: time after which it is stopped and counts as failed.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    report: Path | None = None
    timeout_s: float = 1500.0


def stages() -> Iterator[Stage]:
    """Return all stages in the order in which they run."""
    yield Stage(name="browser", command=("sh", "tools/ci/install_chromium.sh"), timeout_s=600)
    yield Stage(name="strace", command=("sh", "tools/ci/install_strace.sh"), timeout_s=300)
    yield _make("install", ".venv/installed")
    yield _make("checks", "check", needs=("install",))
    yield _make("site", "site", needs=("install",))
    yield _make("install audit", ".venv-audit/installed")
    yield Stage(name="audit", command=(".venv-audit/bin/python", "-m", "tools.ci.audit"), needs=("install audit",))
    yield Stage(name="no torch", command=(".venv/bin/python", "-c", NO_TORCH), needs=("install",))
    yield _tests("base", (".venv/bin/python",), "-m", "base", job="base", needs=("no torch",))
    yield _unprivileged()
    yield _make("install torch", ".venv-unite/installed")
    coverage = ("--cov", f"--cov-report=json:{COVERAGE}")
    yield _tests("all", (".venv-unite/bin/python",), *WORKERS, *coverage, job="full", needs=("install torch",))
    for version, path in other_interpreters().items():
        yield from _other_python(version, path)


def other_interpreters() -> dict[Version, Path]:
    """Return stages for the oldest and the newest other Python of this machine."""
    return oldest_and_newest(interpreters(), but=sys.version_info[:2])


def _other_python(version: Version, path: Path) -> Iterator[Stage]:
    """Return the stage that runs the fast tests on another Python, with the newest dependencies available for it."""
    number = ".".join(map(str, version))
    folder = f".venv-python{number}"
    install = ("make", f"{folder}/installed", f"VENV={folder}", f"PYTHON={path}", "LOCK=")
    yield Stage(name=f"install {number}", command=install)
    fast = (*WORKERS, "-m", "not slow")
    python = f"{folder}/bin/python"
    yield _tests(f"Python {number}", (python,), *fast, job="python", needs=(f"install {number}",))


def _make(name: str, target: str, *, needs: tuple[str, ...] = ()) -> Stage:
    return Stage(name=name, command=("make", target, f"LOCK={LOCK}"), needs=needs)


def _tests(name: str, python: tuple[str, ...], *options: str, job: str, needs: tuple[str, ...]) -> Stage:
    report = OUT / f"{name.replace(' ', '-').lower()}.xml"
    environment = {"UNITE_SEARCH_TEST_JOB": job, "OMP_NUM_THREADS": "1"}
    command = (*python, "-m", "pytest", f"--junitxml={report}", "--durations=10", *options)
    return Stage(name=name, command=command, environment=environment, needs=needs, report=report)


def _unprivileged() -> Stage:
    """Return the stage for tests of missing permissions, which CI runs as another user if it is root."""
    name, python = "unprivileged", ".venv/bin/python"
    options = ("-p", "no:cacheprovider", "-m", "unprivileged")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return _tests(name, (python,), *options, job="user", needs=("install",))
    become = ("sh", "tools/ci/as_user.sh", UNPRIVILEGED_USER, str(OUT / f"{name}.xml"))
    return _tests(name, (*become, python), *options, job="user", needs=("install",))
