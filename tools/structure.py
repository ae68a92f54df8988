"""Measure the structure of the tree: sizes, imports, cycles, and the files that a search and an index run enter.

    python -m tools.structure [--root TREE] [--json FILE]

- *Files at the root* of a package are its Python files outside any folder, `__init__.py` included.
- A *small module with one importer* has at most 69 lines and is imported by exactly one other module of the four
  packages. Imports inside functions and under TYPE_CHECKING count; `__init__.py` files are left out.
- An *import arrow* between modules is one pair (importer, imported). For arrows between *units* each folder at the root
  of a package is one unit with all that it holds, and so is each file at the root of a package.
- *Floors* are the length of the longest chain of imports; modules or units in one cycle stand on one floor.
- A *cycle* is a set of units of which each imports each other, directly or through the rest.
- A file is *entered* when one of its functions is called after its module was imported, in any process of the run. The
  count leaves out the command line and the folder of the encoder, which are a different matter on each path; the list
  of what was left out is in the JSON.
- *Function lines* run from `def` to the last line, with the docstring, over all functions of the shipped packages.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

PACKAGES = ("unite_search", "indexers", "benchmarks", "train")
SHIPPED = ("unite_search", "indexers")
SMALL_MODULE_LINES = 69
OUTSIDE_THE_COUNT = ("unite_search/cli/", "unite_search/encoders/starter/")
TRACE_FOLDER = Path(__file__).resolve().parent / "call_trace"
RUN_COMMAND = "from unite_search.cli import main; main()"
PHOTO_COLOURS = ("red", "green", "blue", "orange", "white", "black")
LONGEST_RUN_S = 120

Node = TypeVar("Node", bound=Hashable)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def measure(root: Path) -> dict[str, Any]:
    """Measure the tree below `root`; return the numbers, ready for JSON."""
    modules = find_modules(root)
    arrows = find_imports(root, modules)
    units = {name: unit_of(path) for name, path in modules.items()}
    unit_arrows = {(units[a], units[b]) for a, b in arrows if units[a] != units[b]}
    return {
        "commit": _commit(root),
        "python": sys.version.partition(" ")[0],
        "files_at_root": {package: len(list((root / package).glob("*.py"))) for package in PACKAGES},
        "small_modules_with_one_importer": small_modules(root, modules, arrows),
        "imports": {
            "between_modules": len(arrows),
            "between_units": len(unit_arrows),
            "module_floors": floors(arrows),
            "unit_floors": floors(unit_arrows),
        },
        "cycles": sorted(sorted(group) for group in components(unit_arrows) if len(group) > 1),
        "function_lines": function_lines(root),
        "entered": entered_files(root),
    }


def _commit(root: Path) -> str:
    """Return the last commit that changed what is measured."""
    command = ["git", "log", "-1", "--format=%h", "--", *PACKAGES]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def find_modules(root: Path) -> dict[str, Path]:
    """Map the dotted name of each module of the packages to its path below `root`."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            relative = path.relative_to(root)
            parts = relative.with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = relative
    return modules


def find_imports(root: Path, modules: dict[str, Path]) -> set[tuple[str, str]]:
    """Return pairs of an importing and an imported module; imports anywhere in a file count."""
    arrows = set()
    for name, path in modules.items():
        for imported in _imported_names(ast.parse((root / path).read_text(encoding="utf-8"))):
            target = imported
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target and target != name:
                arrows.add((name, target))
    return arrows


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Return the imported dotted names; `from a import b` gives `a.b`, and the caller keeps what is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unit_of(path: Path) -> str:
    """Return the unit of a module: its own path at the root of a package, else the folder at the root."""
    return "/".join(path.parts[:2])


def small_modules(root: Path, modules: dict[str, Path], arrows: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the modules below the limit that exactly one other module imports."""
    importers: dict[str, set[str]] = defaultdict(set)
    for importer, imported in arrows:
        importers[imported].add(importer)
    lines = {
        path.as_posix(): len((root / path).read_text(encoding="utf-8").splitlines())
        for name, path in modules.items()
        if len(importers[name]) == 1 and path.name != "__init__.py"
    }
    small = {path: count for path, count in sorted(lines.items()) if count <= SMALL_MODULE_LINES}
    return {"count": len(small), "lines": sum(small.values()), "modules": small}


def components(arrows: Iterable[tuple[Node, Node]]) -> list[set[Node]]:
    """Return the strongly connected components, each after those that it points to (Tarjan 1972)."""
    targets: dict[Node, set[Node]] = defaultdict(set)
    for start, end in arrows:
        targets[start].add(end)
        targets[end] |= set()
    order: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    stack: list[Node] = []
    found: list[set[Node]] = []

    def visit(node: Node) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in targets[node]:
            if target not in order:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == order[node]:
            at = stack.index(node)
            found.append(set(stack[at:]))
            del stack[at:]

    for node in list(targets):
        if node not in order:
            visit(node)
    return found


def floors(arrows: Iterable[tuple[Node, Node]]) -> int:
    """Return the number of nodes in the longest chain of arrows, where the nodes of a cycle count as one."""
    arrows = set(arrows)
    group_of = {node: number for number, group in enumerate(components(arrows)) for node in group}
    below: dict[int, set[int]] = defaultdict(set)
    for start, end in arrows:
        if group_of[start] != group_of[end]:
            below[group_of[start]].add(group_of[end])
    heights: dict[int, int] = {}
    for group in sorted(set(group_of.values())):
        heights[group] = 1 + max((heights[lower] for lower in below[group]), default=0)
    return max(heights.values(), default=0)


def function_lines(root: Path) -> dict[str, Any]:
    """Measure the lengths of the functions of the shipped packages, nested ones included."""
    lengths = []
    for package in SHIPPED:
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, Function):
                    place = f"{path.relative_to(root).as_posix()}:{node.name}"
                    lengths.append(((node.end_lineno or node.lineno) - node.lineno + 1, place))
    lengths.sort()
    longest, place = lengths[-1]
    return {
        "functions": len(lengths),
        "p50": lengths[_rank(0.5, len(lengths))][0],
        "p90": lengths[_rank(0.9, len(lengths))][0],
        "max": longest,
        "longest": place,
    }


def _rank(share: float, count: int) -> int:
    """Return the index of a quantile in a sorted list, by the nearest rank."""
    return max(math.ceil(share * count) - 1, 0)


def entered_files(root: Path) -> dict[str, Any]:
    """Index a few drawn photos and search them by the console command of the tree; list the files that each enters."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _draw_photos(folder / "photos")
        index = _traced(root, folder, "index", str(folder / "photos"))
        search = _traced(root, folder, "query", "a dog")
    return {"text_search": _sorted_out(search), "index": _sorted_out(index)}


def _draw_photos(folder: Path) -> None:
    from PIL import Image, ImageDraw

    folder.mkdir()
    for colour in PHOTO_COLOURS:
        photo = Image.new("RGB", (160, 120), colour)
        ImageDraw.Draw(photo).ellipse((40, 20, 120, 100), fill="yellow")
        photo.save(folder / f"{colour}.jpg")


def _traced(root: Path, folder: Path, *arguments: str) -> set[str]:
    """Return the files, relative to `root`, that `unite-search ARGUMENTS` enters in any of its processes."""
    record = folder / f"{arguments[0]}.entered"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TRACE_FOLDER), str(root)]),
        "CALL_TRACE_FOLDERS": os.pathsep.join(str(root / package) + os.sep for package in PACKAGES),
        "CALL_TRACE_FILE": str(record),
    }
    os.mkfifo(record)
    reader = os.open(record, os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-c", RUN_COMMAND, *arguments, "--db", str(folder / "collection")]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=False
    )
    if run.returncode:
        raise RuntimeError(f"unite-search {arguments[0]} exited with {run.returncode}:\n{run.stderr}")
    with os.fdopen(reader, encoding="utf-8") as lines:
        return {Path(line.rstrip("\n")).relative_to(root).as_posix() for line in lines}


def _sorted_out(files: set[str]) -> dict[str, Any]:
    counted = sorted(path for path in files if not path.startswith(OUTSIDE_THE_COUNT))
    return {"count": len(counted), "files": counted, "left_out": sorted(files.difference(counted))}


def table(measured: dict[str, Any]) -> str:
    """Return the measurements as lines of text."""
    small, imports, lengths = (
        measured["small_modules_with_one_importer"],
        measured["imports"],
        measured["function_lines"],
    )
    entered = measured["entered"]
    rows = [(f"files at the root of {package}", count) for package, count in measured["files_at_root"].items()]
    rows += [
        (f"modules below {SMALL_MODULE_LINES + 1} lines with one importer", small["count"]),
        ("their lines", small["lines"]),
        ("import arrows between modules", imports["between_modules"]),
        ("import arrows between units", imports["between_units"]),
        ("floors of modules", imports["module_floors"]),
        ("floors of units", imports["unit_floors"]),
        ("package cycles", len(measured["cycles"])),
        ("files entered by a text search", entered["text_search"]["count"]),
        ("files entered by an index run", entered["index"]["count"]),
        ("function lines p50 / p90 / max", f"{lengths['p50']} / {lengths['p90']} / {lengths['max']}"),
    ]
    lines = [f"{name:<48}{value!s:>14}" for name, value in rows]
    lines += [f"cycle: {' <-> '.join(cycle)}" for cycle in measured["cycles"]]
    lines += [f"one importer: {path} ({count} lines)" for path, count in small["modules"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and write the JSON file if one is given."""
    parser = argparse.ArgumentParser(description="Measure the structure of the tree.")
    parser.add_argument("--root", type=Path, default=Path(), help="The checkout to measure. Default: where it is run.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write all measurements there.")
    arguments = parser.parse_args()
    measured = measure(arguments.root.resolve())
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(measured))


if __name__ == "__main__":
    main()
