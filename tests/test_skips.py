"""The list of expected skips: a skip that is not on it fails a job, and so does an entry that no test matches."""

from __future__ import annotations

from pathlib import Path

import pytest
from skips import LIST, job_of, read_expected

pytest_plugins = ["pytester"]

CONFTEST = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from skips import register

def pytest_configure(config):
    register(config, Path(__file__).parent / "list.toml")
"""
LISTED = """
[jobs]
full = "everything"
other = "less"
[[skip]]
test = "test_some.py::test_needs_a_moon"
reason = "needs a moon"
jobs = ["full"]
why = "there is none here"
"""
TESTS = """
import pytest

def test_passes():
    assert 1 + 1 == 2

def test_needs_a_moon():
    pytest.skip("needs a moon")
"""
NEEDS_A_MODULE = """
import pytest
pytest.importorskip("no_such_module_anywhere")

def test_never_runs():
    assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small suite with one expected skip, as the job `full` of CI runs it."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_some=TESTS)
    pytester.path.joinpath("list.toml").write_text(LISTED)
    monkeypatch.setenv("UNITE_SEARCH_TEST_JOB", "full")
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    way = suite.runpytest_subprocess if "-n" in arguments else suite.runpytest_inprocess
    return way("-p", "no:cacheprovider", *arguments)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_an_expected_skip_passes(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run(suite, *workers)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_module_that_cannot_be_imported_fails_the_job(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    suite.makepyfile(test_other=NEEDS_A_MODULE)
    result = run(suite, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*unexpected skip in job 'full': test_other.py: *no_such_module_anywhere*"])


def test_a_skip_of_another_job_or_for_another_reason_fails(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNITE_SEARCH_TEST_JOB", "other")
    result = run(suite)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*unexpected skip in job 'other': test_some.py::test_needs_a_moon: *needs a moon*"])
    monkeypatch.setenv("UNITE_SEARCH_TEST_JOB", "full")
    suite.makepyfile(test_some=TESTS.replace("needs a moon", "needs a sun"))
    assert run(suite).ret == pytest.ExitCode.TESTS_FAILED


def test_an_entry_that_no_test_matches_fails_only_the_whole_run(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_some=TESTS.replace("test_needs_a_moon", "test_renamed").replace("pytest.skip", "print"))
    result = run(suite)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["list.toml names a test that does not exist: test_some.py::test_needs_a_moon"])
    assert run(suite, "-k", "passes").ret == pytest.ExitCode.OK
    assert run(suite, "test_some.py").ret == pytest.ExitCode.OK


def test_an_expected_skip_may_run_where_the_machine_allows_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_some=TESTS.replace("pytest.skip", "print"))
    assert run(suite).ret == pytest.ExitCode.OK


def test_outside_a_job_a_skip_is_only_shown(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNITE_SEARCH_TEST_JOB")
    monkeypatch.delenv("CI", raising=False)
    suite.makepyfile(test_other=NEEDS_A_MODULE)
    result = run(suite, "-ra")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["SKIPPED *no_such_module_anywhere*"])


def test_an_unknown_job_is_refused_by_name(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNITE_SEARCH_TEST_JOB", "nightly")
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*list.toml has no job 'nightly'; it knows full, other"])


def test_the_job_is_named_or_the_full_one_of_ci() -> None:
    assert job_of({}) is None
    assert job_of({"CI": "false"}) is None
    assert job_of({"CI": "true"}) == "full"
    assert job_of({"CI": "true", "UNITE_SEARCH_TEST_JOB": "base"}) == "base"


def test_every_entry_names_a_test_file_that_exists_and_says_why() -> None:
    root = Path(__file__).parents[1]
    entries = read_expected(LIST, "full")
    assert entries
    for entry in entries:
        assert (root / entry.test.partition("::")[0]).is_file()
        assert entry.why
