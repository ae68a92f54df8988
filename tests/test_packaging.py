"""The wheel: what is in it, and that it works alone with its runtime dependencies in an empty folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WHEEL_LIMIT_BYTES = 60 * 2**20
HEAVY = {"torch", "transformers", "lancedb", "pandas", "scipy"}

pytestmark = pytest.mark.base


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_no_message_tells_to_install_from_a_package_index() -> None:
    """The package is on none; `indexers.extras` says what works."""
    for folder in ("unite_search", "indexers", "train", "benchmarks", "docs"):
        for path in (path for kind in ("*.py", "*.md") for path in (ROOT / folder).rglob(kind)):
            assert 'install "unite-search' not in path.read_text(encoding="utf-8"), path
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    named = [
        name
        for folder in ("unite_search", "indexers")
        for path in (ROOT / folder).rglob("*.py")
        for call in re.findall(r"how_to_install\(([^)]*['\"])\)", path.read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", call)
    ]
    assert len(named) >= 6
    assert set(named) <= set(extras)


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"unite_search", "indexers", "unite_search-0.1.0.dist-info"}
    for wanted in ("unite_search/py.typed", "indexers/py.typed", "unite_search/encoders/starter/weights/MODEL_CARD.md"):
        assert wanted in names
    assert not [name for name in names if name.endswith((".pyc", ".pth", ".pt", ".pkl", ".bin"))]
    assert wheel.stat().st_size < WHEEL_LIMIT_BYTES


@pytest.mark.slow
def test_the_wheel_indexes_and_searches_with_runtime_dependencies_only(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    install = [str(scripts / "python"), "-m", "pip", "install", "--quiet", f"{wheel}[cpu]"]
    subprocess.run(install, check=True, cwd=tmp_path)
    listed = subprocess.run([*install[:3], "list", "--format", "json"], check=True, capture_output=True).stdout
    assert not HEAVY & {entry["name"] for entry in json.loads(listed)}
    media = tmp_path / "media"
    media.mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (300, 200), colour).save(media / f"{colour}.jpg")
    program = str(scripts / "unite-search")
    assert "index" in _run(program, "--help", folder=tmp_path)
    _run(program, "index", "media", "--db", "db", folder=tmp_path)
    found = json.loads(_run(program, "query", "--image", "media/red.jpg", "--db", "db", "--json", folder=tmp_path))
    assert {Path(hit["uri"]).name for hit in found["hits"]} == {"green.jpg", "blue.jpg"}
    found = json.loads(_run(program, "query", "a red picture", "--db", "db", "--json", folder=tmp_path))
    assert len(found["hits"]) == 3


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
