"""The table of reasons in `docs/troubleshooting.md` has each reason for which the code skips a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from unite_search.media import reasons

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (*(ROOT / "unite_search" / "media").glob("*.py"), *(ROOT / "unite_search" / "ingest").glob("*.py"))
NOT_OF_FILES = {"sidecars.py", "load.py"}
"""What these say is about sidecars, whose photos are indexed, and about the files of a query."""
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TABLE = PAGE.split("### Files are skipped")[1].split("\n### ")[0]
LISTED = [re.split(r"\.\.\.", reason)[0] for reason in re.findall(r"`([^`]+)`", TABLE)]
OF_LONG_FILES = ("larger than", "it is ", "more than")
"""How much one file may hold is told beside the table."""


def _text(node: ast.expr | None, constants: dict[str, str]) -> Iterator[str]:
    """The texts of an expression, each up to the first part that is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.IfExp):
        yield from (*_text(node.body, constants), *_text(node.orelse, constants))
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from _text(node.func.value, constants)


def _reasons(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = (node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
    constants = {ast.unparse(node.targets[0]): str(ast.literal_eval(node.value)) for node in assigned}
    constants["LEADS_OUTSIDE"] = reasons.LEADS_OUTSIDE
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "UnreadableFileError" and node.args:
                yield from _text(node.args[0], constants)
            elif node.func.id == "Skipped":
                yield from (
                    text for word in node.keywords if word.arg == "reason" for text in _text(word.value, constants)
                )
        elif isinstance(node, ast.FunctionDef) and node.name in {"_reason", "failure_reason"}:
            returned = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return))
            yield from (text for value in returned for text in _text(value, constants))


FOUND = sorted(
    {reason.strip() for path in SOURCES if path.name not in NOT_OF_FILES for reason in _reasons(path) if reason.strip()}
    | set(reasons._WORDS.values())
)


def test_the_reasons_of_the_code_are_found() -> None:
    assert {"truncated image", "damaged or truncated video", "not a regular file", "path too long"} <= set(FOUND)
    assert len(FOUND) > 20


@pytest.mark.parametrize("reason", [reason for reason in FOUND if not f"{reason} ".startswith(OF_LONG_FILES)])
def test_a_reason_is_in_the_table(reason: str) -> None:
    assert any(reason.startswith(listed.strip()) or listed.startswith(reason) for listed in LISTED)
