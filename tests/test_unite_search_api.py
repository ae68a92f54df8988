"""What `import unite_search` gives: the public names, lightly and typed."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_origin

import pytest

import unite_search

HEAVY = {
    *("torch", "transformers", "faiss", "lance", "lancedb", "pyarrow", "decord", "onnxruntime", "numpy", "PIL"),
    *("tokenizers", "pillow_heif", "textual_image"),
}
ROOT = Path(unite_search.__file__).parent

pytestmark = pytest.mark.base


def loaded_by(code: str) -> set[str]:
    """Top-level modules in `sys.modules` after running some code in a fresh interpreter."""
    report = "import sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in done.stderr.split()}


def is_class(exported: object) -> bool:
    """Whether it is a class; Python 3.10 calls an alias such as `Callable[..., None]` one."""
    return inspect.isclass(exported) and get_origin(exported) is None


def test_exports_are_sorted_and_all_there() -> None:
    names = unite_search.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        exported = getattr(unite_search, name)
        assert not (inspect.isroutine(exported) or is_class(exported)) or exported.__name__ == name
    assert set(names) <= set(dir(unite_search))


def test_exports_are_what_type_checkers_are_told() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert sorted(typed) == unite_search.__all__
    for name, module in typed.items():
        assert getattr(unite_search, name) is getattr(sys.modules[str(module)], name)


def test_every_export_is_documented() -> None:
    """A class or function by its docstring; a type alias has none, and stands beside what uses it."""
    exported = {name: getattr(unite_search, name) for name in unite_search.__all__}
    own = {name: it for name, it in exported.items() if is_class(it) or inspect.isroutine(it)}
    assert [name for name, it in own.items() if not inspect.getdoc(it)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        unite_search.Nonsense  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import unite_search",
        "from unite_search import Query, SearchOptions, Hit, IndexOptions, UniteSearchError, load_encoder",
        "import sys; sys.argv = ['unite-search', '--help']; from unite_search.cli import main; main()",
        "import sys; sys.argv = ['unite-search', 'query', '--help']; from unite_search.cli import main; main()",
    ],
)
def test_looking_does_not_load_the_heavy_packages(code: str) -> None:
    loaded = loaded_by(code)
    assert "unite_search" in loaded
    assert loaded & HEAVY == set()


def test_a_collection_without_video_loads_no_decoder(tmp_path: Path) -> None:
    loaded = loaded_by("from unite_search import Collection")
    assert "lance" in loaded
    assert loaded & {"torch", "transformers", "lancedb", "decord"} == set()


def test_both_packages_say_that_they_are_typed() -> None:
    assert (ROOT / "py.typed").is_file()
    assert (ROOT.parent / "indexers" / "py.typed").is_file()


@pytest.mark.slow
def test_the_wheel_holds_what_the_program_reads(tmp_path: Path) -> None:
    if not (ROOT.parent / "pyproject.toml").is_file():
        pytest.skip("needs a checkout")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT.parent, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"unite_search/py.typed", "indexers/py.typed", "unite_search/gallery.css"} <= held
    assert "unite_search/cli/app.py" in held
    assert not {name.split("/")[0] for name in held} & {"tests", "benchmarks", "train"}
