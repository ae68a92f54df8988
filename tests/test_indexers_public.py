"""`indexers` alone: what it exports, that importing it loads nothing heavy, and that its README works as written."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import indexers

ROOT = Path(indexers.__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_python(code: str, folder: Path) -> str:
    """What a fresh interpreter prints that can import `indexers` but not `unite_search`."""
    blocked = "import sys; sys.modules['unite_search'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + code], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_exports_are_sorted_and_what_type_checkers_are_told() -> None:
    names = indexers.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: str(node.module)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed.keys() == set(names)
    assert set(names) <= set(dir(indexers))
    for name, module in typed.items():
        assert getattr(indexers, name) is getattr(sys.modules[module], name)


def test_every_exported_class_and_function_is_documented() -> None:
    exported = {name: getattr(indexers, name) for name in indexers.__all__}
    own = {name: it for name, it in exported.items() if inspect.isclass(it) or inspect.isroutine(it)}
    assert len(own) > 15
    assert [name for name, it in own.items() if not inspect.getdoc(it)] == []


def test_errors_have_one_base() -> None:
    errors = [getattr(indexers, name) for name in indexers.__all__ if name.endswith("Error")]
    assert len(errors) == 5
    assert all(issubclass(error, indexers.IndexerError) for error in errors)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        indexers.Nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import indexers", []),
        ("from indexers import IndexConfig, IndexerError, RankedList, merge, unit_rows", ["numpy"]),
        ("from indexers import PartitionedIndex", ["faiss", "numpy"]),
    ],
)
def test_faiss_is_loaded_by_the_first_name_that_needs_it(code: str, heavy: list[str], tmp_path: Path) -> None:
    report = "\nprint(*sorted({'faiss', 'numpy', 'pyarrow', 'unite_search.errors'} & sys.modules.keys()))"
    assert run_python(code + report, tmp_path).split() == heavy


def test_the_exported_function_merge_is_not_hidden_by_imports_of_modules(tmp_path: Path) -> None:
    code = "import indexers.partitioned, indexers.calibration\nfrom indexers import merge\nprint(merge([], 1).names)"
    assert run_python(code, tmp_path) == "()\n"


def test_the_example_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (expected,) = re.findall(r"It prints\n\n```\n(.*?)```", README, re.DOTALL)
    printed, told = ([line.split() for line in text.splitlines()] for text in (run_python(example, tmp_path), expected))
    assert [line[:2] for line in printed] == [line[:2] for line in told]
    assert [float(line[2]) for line in printed[:3]] == pytest.approx([float(line[2]) for line in told[:3]], abs=0.02)
    assert printed[3] == told[3]
    assert (tmp_path / "parts" / "manifest.json").exists()


def test_the_readme_names_every_export_but_the_types_of_arrays() -> None:
    assert {name for name in indexers.__all__ if not re.search(rf"\b{name}\b", README)} <= {
        *("DamagedIndexError", "DimensionError", "FaissMissingError", "UnknownSpecError"),
        *("Embeddings", "Ids", "Mask", "Merged", "NO_ID", "Scores", "GpuIndex", "GpuOptions", "gpu_count"),
    }
