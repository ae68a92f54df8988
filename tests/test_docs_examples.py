"""The examples of docstrings and of the documentation run as they are written, in a folder with a few pictures."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
COLOURS = {"boat": "navy", "car": "red", "tree": "green", "wall": "white"}
PAGES = ("explanation/index-kinds.md", "guides/millions.md", "guides/own-encoder.md", "guides/python.md")
NEEDS_TORCH = "import mteb"


def _modules() -> Iterator[str]:
    for package in ("unite_search", "indexers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if PROMPT.search(path.read_text(encoding="utf-8")):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = list(_modules())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pictures of one colour each in `photos`."""
    (tmp_path / "photos").mkdir()
    for number, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (240, 200 + number), colour).save(tmp_path / "photos" / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_examples_in_both_packages() -> None:
    assert {name.partition(".")[0] for name in MODULES} == {"unite_search", "indexers"}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_docstring_run(name: str) -> None:
    outcome = doctest.testmod(import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_no_example_is_skipped() -> None:
    skipping = [path for name in ("unite_search", "indexers") for path in (ROOT / name).rglob("*.py")]
    assert [path for path in skipping if "doctest: +SKIP" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_of_a_page_run_one_after_the_other(folder: Path, name: str) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
    runnable = [block for block in blocks if NEEDS_TORCH not in block]
    assert runnable
    script = folder / "example.py"
    lines = "\n".join(runnable).splitlines()
    script.write_text("if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in lines), encoding="utf-8")
    run = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
