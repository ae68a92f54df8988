"""Records of measurements, and the commit that they name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from train import record


def test_a_measurement_names_its_command_and_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "commit", lambda: "abc1234")
    path = tmp_path / "new" / "found.json"
    text = record.write_measurement(path, "python -m train.some --seeds 2", {"results": {"recall": 12.5}})
    expected = {"command": "python -m train.some --seeds 2", "commit": "abc1234", "results": {"recall": 12.5}}
    assert path.read_text(encoding="utf-8") == text == json.dumps(expected, indent=2) + "\n"
    assert list(path.parent.iterdir()) == [path], "a temporary file was left"


@pytest.mark.parametrize(("given", "named"), [({"GIT_COMMIT": "def5678"}, "def5678"), ({}, "unknown")])
def test_without_git_the_environment_names_the_commit(
    given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_repository(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", no_repository)
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert record.commit() == named
