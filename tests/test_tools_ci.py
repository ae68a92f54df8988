"""The driver of CI: which stages run, what becomes of one that fails, and what the summary says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from served import until

from tools.ci import __main__ as driver
from tools.ci import interpreters as finder
from tools.ci.outcome import CANNOT_RUN, StageOutcome, Tests, line_coverage, read_report, summary
from tools.ci.stages import ROOT, Stage, stages

SUITE = """
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_skips(): pytest.skip("needs a moon")
"""
NEEDS_A_MODULE = """
import pytest
pytest.importorskip("no_such_module")

def test_never_runs(): assert False
"""
WHY = "could not import 'no_such_module': No module named 'no_such_module'"


def stage(name: str, code: str, **settings: object) -> Stage:
    return Stage(name=name, command=(sys.executable, "-c", code), **settings)  # type: ignore[arg-type]


def test_every_stage_needs_stages_that_run_before_it() -> None:
    before: set[str] = set()
    for one in stages():
        assert set(one.needs) <= before
        assert one.name not in before
        before.add(one.name)
    assert {"checks", "base", "unprivileged", "all"} <= before


def test_the_jobs_of_the_stages_are_those_of_the_list_of_skips() -> None:
    listed = (ROOT / "tests" / "expected_skips.toml").read_text(encoding="utf-8")
    jobs = re.search(r"^\[jobs\]\n(.*?)\n\n", listed, re.DOTALL | re.MULTILINE)
    assert jobs is not None
    known = set(re.findall(r"^(\w+) = ", jobs[1], re.MULTILINE))
    used = {one.environment.get("UNITE_SEARCH_TEST_JOB") for one in stages()} - {None}
    assert {"full", "base", "user"} <= used <= known


def test_all_tests_run_where_torch_is_and_coverage_is_measured() -> None:
    (everything,) = (one for one in stages() if one.name == "all")
    assert everything.command[0] == ".venv-unite/bin/python"
    assert not {"-k", "-m"} & set(everything.command[3:])
    assert not [word for word in everything.command if word.startswith("tests")]
    assert "--cov" in everything.command


def test_a_failure_is_remembered_and_what_needs_it_is_not_run() -> None:
    failed = driver.run(stage("first", "raise SystemExit(3)"))
    assert (failed.status, failed.is_bad, failed.word) == (3, True, "FAILED (3)")
    second = driver.run_after(stage("second", "", needs=("first",)), [failed])
    assert (second.status, second.is_bad, second.word) == (None, True, "not run")
    third = driver.run_after(stage("third", "", needs=("second",)), [failed, second])
    assert third.status is None
    assert driver.run_after(stage("other", ""), [failed]).status == 0


def test_a_stage_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    outcome = driver.run(stage("hangs", code, timeout_s=5.0))
    assert outcome.status == driver.TIMED_OUT
    status = Path(f"/proc/{(tmp_path / 'pid').read_text()}/status")
    until(lambda: not status.exists() or "zombie" in status.read_text())


def test_a_stage_ends_with_the_run_that_is_terminated(tmp_path: Path) -> None:
    inner = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    program = f"""
import runpy, sys
from tools.ci import stages
stages.stages = lambda: iter([stages.Stage(name="slow", command=(sys.executable, "-c", {inner!r}))])
sys.argv = ["tools.ci"]
runpy.run_module("tools.ci", run_name="__main__")
"""
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    run.terminate()
    assert run.wait() == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_stage_gets_its_environment_and_that_of_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_CI", "1")
    code = "import os; assert (os.environ['OF_CI'], os.environ['OF_STAGE']) == ('1', '2')"
    assert driver.run(stage("looks", code, environment={"OF_STAGE": "2"})).status == 0


def test_a_report_of_pytest_is_read(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SUITE)
    (tmp_path / "test_other.py").write_text(NEEDS_A_MODULE)
    command = [sys.executable, "-m", "pytest", "-q", "--junitxml=report.xml", "."]
    subprocess.run(command, cwd=tmp_path, env=_outside_ci(), check=False, capture_output=True)
    tests = read_report(tmp_path / "report.xml")
    assert tests.passed == {"test_some::test_passes"}
    assert tests.failed == ("test_some::test_fails",)
    assert tests.skipped == {"test_some::test_skips": "needs a moon", "test_other": WHY}
    assert read_report(tmp_path / "none.xml") == Tests()


def _outside_ci() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("CI", "UNITE_SEARCH_TEST_JOB")}


def test_coverage_is_that_of_each_package(tmp_path: Path) -> None:
    counts = {
        "unite_search/a.py": (10, 9),
        "unite_search/b/c.py": (30, 27),
        "indexers/d.py": (4, 4),
        "tests/e.py": (9, 0),
    }
    files = {
        name: {"summary": {"num_statements": lines, "covered_lines": ran}} for name, (lines, ran) in counts.items()
    }
    (tmp_path / "coverage.json").write_text(json.dumps({"files": files}))
    assert line_coverage(tmp_path / "coverage.json") == {"unite_search": 90.0, "indexers": 100.0}
    assert line_coverage(tmp_path / "none.json") == {}


def test_the_summary_says_what_was_not_tested_and_ends_with_the_counts() -> None:
    skips = {"test_a::test_gpu": "needs a CUDA device", "test_a::test_two_gpus": "needs a CUDA device"}
    whole = Tests(passed=frozenset({"test_a::test_c", "test_torch::test_d"}), failed=("test_a::test_b",), skipped=skips)
    base = Tests(passed=frozenset({"test_a::test_c"}), skipped={"test_torch": "no torch", "test_onnx": "no onnx"})
    outcomes = [
        StageOutcome(stage=stage("all", ""), status=1, seconds=61.0, tests=whole),
        StageOutcome(stage=stage("late", ""), status=None),
        StageOutcome(stage=stage("user", ""), status=CANNOT_RUN),
        StageOutcome(stage=stage("base", ""), status=0, seconds=9.0, tests=base),
    ]
    lines = summary(outcomes, {"indexers": 91.26}, ["other Pythons: none"]).splitlines()
    assert re.fullmatch(r"all +FAILED \(1\) +61 s  2 passed, 1 failed, 2 skipped", lines[2])
    assert lines[6:] == [
        "together                              70 s",
        "line coverage of indexers: 91.3 %",
        "failed in all: test_a::test_b",
        "NOT TESTED: all: 2: needs a CUDA device",
        "NOT TESTED: late: a stage that it needs did not pass",
        "NOT TESTED: user: this machine cannot run it; its messages are above",
        "NOT TESTED: base: 1: no onnx",
        "skipped in base but run in another stage: 1: no torch",
        "NOT TESTED: other Pythons: none",
        "3 passed, 1 failed, 4 skipped",
    ]


def test_the_ends_of_the_found_pythons_are_taken() -> None:
    found = {(3, minor): Path(f"python3.{minor}") for minor in (10, 11, 12, 13)}
    assert list(finder.oldest_and_newest(found, but=(3, 11))) == [(3, 10), (3, 13)]
    assert list(finder.oldest_and_newest(found, but=(3, 13))) == [(3, 10)]
    assert finder.oldest_and_newest({(3, 11): Path("python")}, but=(3, 11)) == {}
    assert finder.oldest_and_newest({}, but=(3, 11)) == {}


def test_pythons_are_found_on_the_path_and_below_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interpreter(path: Path, version: str, status: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
        path.chmod(0o755)

    interpreter(tmp_path / "bin" / "python3.12", "3 12")
    interpreter(tmp_path / "bin" / "python3.13", "", status=127)
    for name, version in (("3.9.1", "3 9"), ("3.10.2", "3 10"), ("3.12.0", "3 12"), ("3.13.0", "3 13")):
        interpreter(tmp_path / "pyenv" / "versions" / name / "bin" / "python", version)
    monkeypatch.setattr(finder, "shutil", SimpleNamespace(which=partial(shutil.which, path=tmp_path / "bin")))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    versions = tmp_path / "pyenv" / "versions"
    assert finder.interpreters() == {
        (3, 10): versions / "3.10.2" / "bin" / "python",
        (3, 12): tmp_path / "bin" / "python3.12",
        (3, 13): versions / "3.13.0" / "bin" / "python",
    }
