"""The structure script on a tree written by hand, whose numbers can be counted by eye."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import structure

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "unite_search/__init__.py": "",
    "unite_search/top.py": "def go():\n    from unite_search.left.one import call\n    return call()\n",
    "unite_search/left/__init__.py": "",
    "unite_search/left/one.py": "import unite_search.right.two\n\n\ndef call():\n    return 1\n",
    "unite_search/right/__init__.py": "",
    "unite_search/right/two.py": "from indexers import base\n\n\ndef late():\n    from unite_search.left import one\n",
    "indexers/__init__.py": "",
    "indexers/base.py": "NUMBER = 1\n" * 70,
    "benchmarks/__init__.py": "",
    "train/__init__.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import unite_search.top\n",
}
RUNNABLE = {
    "unite_search/cli/__init__.py": """
import sys
from pathlib import Path


def main():
    record = Path(sys.argv[-1])
    if sys.argv[1] == "index":
        from unite_search.work import run
        run(Path(sys.argv[2]))
    from unite_search.answer import Answer
    Answer()
""",
    "unite_search/work.py": """
import multiprocessing
from unite_search import child, imported_only


def run(photos):
    assert len(list(photos.iterdir())) == 6
    process = multiprocessing.get_context("spawn").Process(target=child.in_a_worker)
    process.start()
    process.join()
""",
    "unite_search/child.py": "def in_a_worker():\n    import os\n    os._exit(0)\n",
    "unite_search/imported_only.py": "def number():\n    return 1\n\n\nNUMBER = number()\n",
    "unite_search/answer.py": "class Answer:\n    def __init__(self):\n        self.hits = []\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, source in {**SOURCES, **RUNNABLE}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def test_imports_count_wherever_they_stand(tree: Path) -> None:
    for name in RUNNABLE:
        (tree / name).unlink()
    modules = structure.find_modules(tree)
    arrows = structure.find_imports(tree, modules)
    assert arrows == {
        ("unite_search.top", "unite_search.left.one"),
        ("unite_search.left.one", "unite_search.right.two"),
        ("unite_search.right.two", "indexers.base"),
        ("unite_search.right.two", "unite_search.left.one"),
        ("train", "unite_search.top"),
    }
    assert structure.floors(arrows) == 4, "train, top, the cycle of one and two, base"
    small = structure.small_modules(tree, modules, arrows)
    assert small["modules"] == {"unite_search/right/two.py": 5, "unite_search/top.py": 3}
    assert (small["count"], small["lines"]) == (2, 8)


def test_units_are_folders_and_the_files_at_a_root() -> None:
    assert structure.unit_of(Path("unite_search/search.py")) == "unite_search/search.py"
    assert structure.unit_of(Path("unite_search/encoders/unite/model.py")) == "unite_search/encoders"


def test_a_component_is_what_reaches_itself() -> None:
    arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("f", "a")]
    groups = {frozenset(group) for group in structure.components(arrows)}
    assert groups == {frozenset("abc"), frozenset("d"), frozenset("e"), frozenset("f")}
    assert structure.floors(arrows) == 4
    assert structure.floors([]) == 0


def test_function_lines_are_ranks_of_all_functions(tmp_path: Path) -> None:
    (tmp_path / "indexers").mkdir()
    bodies = [f'def f{number}():\n    """Doc."""\n' + "    x = 1\n" * number for number in range(1, 10)]
    bodies.append(
        "class A:\n    @staticmethod\n    def m():\n        def inner():\n            return 1\n        return inner\n"
    )
    (tmp_path / "indexers" / "all.py").write_text("\n".join(bodies))
    lines = structure.function_lines(tmp_path)
    # lengths: 2 (inner), 3 to 11 (f1 to f9), 4 (m)
    assert (lines["functions"], lines["p50"], lines["p90"], lines["max"]) == (11, 6, 10, 11)
    assert lines["longest"] == "indexers/all.py:f9"


def test_a_file_is_entered_by_a_call_after_import_in_any_process(tree: Path) -> None:
    entered = structure.entered_files(tree)
    assert entered["index"] == {
        "count": 3,
        "files": ["unite_search/answer.py", "unite_search/child.py", "unite_search/work.py"],
        "left_out": ["unite_search/cli/__init__.py"],
    }
    assert entered["text_search"]["files"] == ["unite_search/answer.py"]


def test_a_run_that_fails_is_an_error(tree: Path) -> None:
    (tree / "unite_search" / "answer.py").write_text(
        "class Answer:\n    def __init__(self):\n        raise OSError(5)\n"
    )
    with pytest.raises(RuntimeError, match="index exited with 1"):
        structure.entered_files(tree)


def test_the_script_writes_a_table_and_json(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["structure.py", "--root", str(tree), "--json", str(tmp_path / "out.json")])
    structure.main()
    shown = capsys.readouterr().out
    assert "cycle: unite_search/left <-> unite_search/right" in shown
    assert '"cycles": [' in (tmp_path / "out.json").read_text()
