"""Write `docs/reference/modules.md`: every module with the first line of its docstring.

Run by `make docs`; a test compares.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "modules.md"
PACKAGES = ("indexers", "unite_search", "train", "benchmarks")


def module_map() -> str:
    """Return the page, folder by folder."""
    lines = ["# Modules", "", "Every module with the first line of its docstring, written by `make docs`."]
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
            modules = sorted(path for path in folder.glob("*.py") if _first_line(path))
            lines += ["", f"## {folder.relative_to(ROOT).as_posix()}", ""]
            lines += [f"- `{path.name}`: {_first_line(path)}" for path in modules]
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(module_map(), encoding="utf-8")
