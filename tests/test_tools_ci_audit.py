"""The audit of the locked versions: what it says when a service is there, when it is not, and when it knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.ci.audit import KNOWN_BAD, SERVICES, audited
from tools.ci.outcome import CANNOT_RUN

NAME, _, VERSION = KNOWN_BAD.partition("==")
BAD = {"name": NAME, "version": VERSION, "vulns": [{"id": "CVE-2019-11324", "fix_versions": ["1.24.2"]}]}
SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "decord2", "skip_reason": "not found"}


class Service:
    """Answers like pip-audit: with what it knows of the known bad version, then of the locked ones."""

    def __init__(self, answers: dict[str, tuple[Any, Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, service: str, requirements: Path) -> list[dict[str, Any]] | None:
        self.asked.append(service)
        about_known_bad, about_ours = self.answers.get(service, (None, None))
        is_known_bad = requirements.read_text() == f"{KNOWN_BAD}\n"
        answer: list[dict[str, Any]] | None = about_known_bad if is_known_bad else about_ours
        return answer


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text("numpy==2.4.6\ndecord2==3.4.0\n")
    return path


def test_sound_versions_pass_and_unknown_packages_are_named(lock: Path) -> None:
    status, lines = audited(lock, Service({"osv": ([BAD], [SOUND, UNKNOWN])}))
    assert status == 0
    assert lines == ["not audited: decord2: not found", "osv: 1 packages looked up, 0 known vulnerabilities"]


def test_a_vulnerability_fails_and_is_named(lock: Path) -> None:
    status, lines = audited(lock, Service({"osv": ([BAD], [SOUND, BAD])}))
    assert status == 1
    assert lines[0] == "urllib3 1.24.1: CVE-2019-11324, fixed in 1.24.2"


@pytest.mark.parametrize("answer", [None, [], [{"name": NAME, "skip_reason": "not found on this mirror"}]])
def test_a_service_that_does_not_know_the_known_is_not_believed(lock: Path, answer: Any) -> None:
    silent = Service(dict.fromkeys(SERVICES, (answer, [SOUND])))
    status, (line,) = audited(lock, silent)
    assert status == CANNOT_RUN
    assert line.startswith("nothing was audited")
    assert silent.asked == list(SERVICES)
    assert audited(lock, Service({"osv": (answer, [SOUND]), "pypi": ([BAD], [SOUND])}))[0] == 0


def test_a_service_that_falls_silent_is_not_believed(lock: Path) -> None:
    assert audited(lock, Service({"osv": ([BAD], None)}))[0] == CANNOT_RUN
