"""Part 1: run the tests that are marked `gpu` and report each as passed, failed or skipped, with the reason."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.junit import read_cases

ROOT = Path(__file__).resolve().parents[2]
MARK = "mark.gpu"
TIMEOUT_S = 150


def measure(*, is_small: bool) -> dict[str, Any]:
    """Run every test module that holds a marked test.

    Args:
        is_small: has no effect; the tests are the same on every machine.

    Returns:
        For each module its outcome: `passed` (a number), `failed` and `skipped` (reasons by test).
    """
    del is_small
    modules = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if MARK in path.read_text(encoding="utf-8")]
    outcomes = {path.name: _run(path) for path in modules}
    if not any(outcome["passed"] or outcome["failed"] for outcome in outcomes.values()):
        return {"not run": "every test was skipped", "modules": outcomes}
    return {"passed": not any(outcome["failed"] for outcome in outcomes.values()), "modules": outcomes}


def _run(path: Path) -> dict[str, Any]:
    """Run the marked tests of a module; warnings do not fail a test, because releases may differ from those of CI."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-m", "gpu", "-q", "-W", "default", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", str(path), *options]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if not report.exists():
            return {"passed": 0, "failed": {path.name: (done.stderr or done.stdout).strip()[-1000:]}, "skipped": {}}
        return read_report(report)


def read_report(report: Path) -> dict[str, Any]:
    """Read the outcomes of one pytest run, of one module, from its JUnit file."""
    cases = read_cases(report)
    return {
        "passed": sum(case.outcome == "passed" for case in cases),
        "failed": {case.name: case.reason for case in cases if case.outcome == "failed"},
        "skipped": {case.name: case.reason for case in cases if case.outcome == "skipped"},
    }
