"""Habits of the code that no linter of ours checks: sizes, names, one meaning a word."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import module_list

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("unite_search", "indexers", "train", "benchmarks", "tools")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "no docstring"
    assert len(source.splitlines()) <= LONGEST_MODULE
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION]
    assert too_long == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert not [path for path in MODULES if path.stem in {"utils", "util", "common", "helpers", "misc"}]


def test_the_module_page_is_up_to_date() -> None:
    assert module_list.PAGE.read_text(encoding="utf-8") == module_list.module_map(), "run `make docs`"
