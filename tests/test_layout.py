"""Habits of the code that no linter of ours checks: sizes, names, one meaning a word."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import module_list

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("unite_search", "indexers", "train", "benchmarks", "tools")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
FOLDERS = (*PACKAGES, "tests", "docs")
WRITTEN = sorted(
    path.relative_to(ROOT)
    for suffix in ("py", "md")
    for found in (*((ROOT / folder).rglob(f"*.{suffix}") for folder in FOLDERS), ROOT.glob(f"*.{suffix}"))
    for path in found
)
KNOWN = {f"/{path.as_posix()}" for path in WRITTEN}
MENTION = re.compile(r"(?<![\w/.{}<>*-])((?:[\w.-]+/)+[\w-]+\.(?:py|md))\b|`([\w-]+\.(?:py|md))`")
"""A path with a folder, or a name alone in backticks."""
CITATION = re.compile(r"\bSources?\b.*?(?:\n\s*\n|\Z)", re.DOTALL)
"""What cites another repository: from the word "Source" to the end of its paragraph."""


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


def missing(text: str, page: Path) -> list[str]:
    """The files that a text names and that do not exist, seen from its page or as the end of a path of the repository.

    In a citation only what begins with a folder of this repository is meant to be here.
    """
    cited = [match.span() for match in CITATION.finditer(text)]
    found = []
    for match in MENTION.finditer(text):
        name = match[1] or match[2]
        is_cited = any(start <= match.start() < end for start, end in cited)
        if is_cited and name.partition("/")[0] not in FOLDERS:
            continue
        if not any(path.endswith(f"/{name}") for path in KNOWN) and not (ROOT / page.parent / name).exists():
            found.append(name)
    return found


def prose(page: Path) -> Iterator[str]:
    """The text of a page; of a module its docstrings, those of attributes too, and each comment."""
    source = (ROOT / page).read_text(encoding="utf-8")
    if page.suffix == ".md":
        yield source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from (token.string for token in tokens if token.type == tokenize.COMMENT)


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.name != "CHANGELOG.md"], ids=str)
def test_a_file_that_prose_names_exists(page: Path) -> None:
    assert [name for text in prose(page) for name in missing(text, page)] == []


def test_a_file_that_is_gone_is_noticed() -> None:
    text = """See `gone.py`, docs/gone.md, `item.py`, encoders/base.py and ../README.md.

    Source: owner/repo src/there.py; docs/gone_too.md says where we differ.

    Not of that source: src/here.py.
    """
    assert missing(text, Path("docs/index.md")) == ["gone.py", "docs/gone.md", "docs/gone_too.md", "src/here.py"]
