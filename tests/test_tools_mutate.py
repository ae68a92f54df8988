"""The mutation tester: its edits against lines written by hand, and a tree whose tests are known to be blind."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import mutate
from tools.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[1]
RAISE = 'raise RuntimeError("mutant")'
SOURCE = """\
def clamp(value: int, low: int = 0) -> int:
    if value < low:
        return low
    return value
"""
TESTS = """\
from indexers.clamp import clamp


def test_clamp():
    assert clamp(5) == 5
    assert clamp(-5) == 0
"""


def changed(source: str) -> set[str]:
    """The first changed line of every mutant, as it reads afterwards."""
    return {mutant.key(source)[3] for mutant in mutants_of("a.py", source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"x = a <= b", "pass"}),
        ("x = a is not b", {"x = a is b", "pass"}),
        ("x = (a) not  in(b)", {"x = (a) in(b)", "pass"}),
        ("x = a < b == c", {"x = a <= b == c", "x = a < b != c", "pass"}),
        ("x = 'é' + a", {"x = 'é' - a", "pass"}),
        ("x = a or b or c", {"x = a and b or c", "x = a or b and c", "pass"}),
        ("x = not a", {"x = a", "pass"}),
        ("x = 7", {"x = 8", "x = 6", "pass"}),
        ("x = True", {"x = False", "pass"}),
        ("x = 0.5", {"x = 1.0", "pass"}),
        ("x //= a", {"x *= a", "pass"}),
        ("x = a[b:c]", {"x = a[:c]", "x = a[b:]", "pass"}),
        ("x: int = a", set()),
        ("f'{a < 1}'", {"pass"}),
        ('"""A docstring with 1 < 2."""', set()),
        ("if TYPE_CHECKING:\n    x = 1", set()),
        ("@dataclass(frozen=True)\nclass A:\n    x: int = 1", {"x: int = 2", "x: int = 0"}),
        ("while a:\n    break", {RAISE, "continue"}),
        ("def f(a='b', *, c: int = 1): return a", {f"def f(a={text!r}, *, c: int = 1): return a" for text in ["b?"]}
         | {"def f(a='b', *, c: int = 2): return a", "def f(a='b', *, c: int = 0): return a"}
         | {"def f(a='b', *, c: int = 1): return None", f"def f(a='b', *, c: int = 1): {RAISE}"}),
    ],
)  # fmt: skip
def test_the_edits_of_a_line(source: str, expected: set[str]) -> None:
    assert changed(source) == expected


def test_a_block_becomes_a_raise_and_its_docstring_stays() -> None:
    source = 'def f():\n    """Doc."""\n    if a:\n        b()\n    elif c:\n        d()\n    else:\n        e()\n'
    blocks = [one for one in mutants_of("a.py", source) if one.operator == "raise instead of block"]
    assert [one.applied(source) for one in blocks] == [
        f'def f():\n    """Doc."""\n    {RAISE}\n',
        source.replace("b()", RAISE),
        source.replace("d()", RAISE),
        source.replace("e()", RAISE),
    ]


def test_each_mutant_of_a_real_module_compiles_and_differs() -> None:
    source = (ROOT / "unite_search" / "search" / "find.py").read_text(encoding="utf-8")
    mutants = mutants_of("unite_search/search/find.py", source)
    assert len(mutants) > 80
    changed_sources = {mutant.applied(source) for mutant in mutants}
    assert len(changed_sources) == len(mutants)
    assert ast.dump(ast.parse(source)) not in {ast.dump(ast.parse(text)) for text in changed_sources}


def test_a_mutant_is_found_again_when_lines_move() -> None:
    moved = f"import os\n\n\n{SOURCE}"
    before, after = ({one.key(text) for one in mutants_of("a.py", text)} for text in (SOURCE, moved))
    assert before == after
    assert ("a.py", "clamp", "if value < low:", "if value <= low:") in before


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "tree"
    for name, text in {
        "indexers/__init__.py": "",
        "indexers/clamp.py": SOURCE,
        "tests/test_indexers_clamp.py": TESTS,
        "tests/test_indexers_clamp_more.py": "def test_nothing():\n    pass\n",
        "tools/equivalent_mutants.json": json.dumps(
            [
                {
                    "file": "indexers/clamp.py",
                    "function": "clamp",
                    "line": "if value < low:",
                    "mutant": "if value <= low:",
                    "reason": "at equality both branches return the same",
                }
            ]
        ),
        ".gitignore": "__pycache__/\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, object]:
    monkeypatch.setattr(sys, "argv", ["mutate", *arguments, "--json", "result.json"])
    mutate.main()
    result: dict[str, object] = json.loads(Path("result.json").read_text())
    return result


def test_survivors_are_told_from_killed_and_equivalent_ones(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tree / "indexers" / "clamp.py").read_text()
    result = run(monkeypatch, "--files", "indexers/clamp.py")
    assert result["files"] == {
        "indexers/clamp.py": {"killed": 6, "timeout": 0, "survived": 0, "equivalent": 1, "survived_share": 0.0}
    }
    assert "6 killed, 0 timeout, 0 survived, 1 equivalent; 0.0 % survived" in capsys.readouterr().out
    (tree / "tests" / "test_indexers_clamp.py").write_text(TESTS.replace("assert clamp(-5) == 0", ""))
    result = run(monkeypatch, "--files", "indexers/clamp.py")
    lines = {one["mutant"] for one in result["survivors"]}  # type: ignore[attr-defined]
    assert {RAISE, "return None", "def clamp(value: int, low: int = 1) -> int:"} <= lines
    assert "-def clamp(value: int, low: int = 0) -> int:" in capsys.readouterr().out
    assert (tree / "indexers" / "clamp.py").read_text() == before


def test_a_mutant_that_never_ends_is_killed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "SHORTEST_TIMEOUT_S", 3.0)
    monkeypatch.setattr(mutate, "TIMEOUT_CLEAN_RUNS", 1)
    (tree / "indexers" / "clamp.py").write_text(
        "def clamp(value):\n    while value < 0:\n        value += 5\n    return value\n"
    )
    result = run(monkeypatch, "--files", "indexers/clamp.py")
    assert result["files"]["indexers/clamp.py"]["timeout"] >= 1  # type: ignore[index]
    assert "value -= 5" not in str(result["survivors"])


def test_only_changed_lines_since_a_revision(tree: Path) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "add", "."], cwd=tree, check=True)
    subprocess.run(["git", *author, "commit", "-qm", "first"], cwd=tree, check=True)
    (tree / "indexers" / "clamp.py").write_text(SOURCE.replace("return low", "return low + 1") + "\n\nX = 1\nY = 2\n")
    (tree / "tests" / "test_indexers_clamp.py").write_text("")
    assert mutate.changed_lines(tree, "HEAD") == {"indexers/clamp.py": {3, 5, 6, 7, 8}}


def test_a_draw_is_the_same_for_the_same_seed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*arguments: str) -> list[Mutant]:
        monkeypatch.setattr(sys, "argv", ["mutate", "--files", "indexers/clamp.py", *arguments])
        return mutate.chosen_mutants(tree, mutate._arguments())

    assert drawn("--sample", "3", "--seed", "1") == drawn("--sample", "3", "--seed", "1")
    assert len({tuple(drawn("--sample", "3", "--seed", str(seed))) for seed in range(5)}) > 1
    everything = drawn("--sample", "100")
    assert everything == drawn()
    assert set(drawn("--sample", "3")) < set(everything)


def test_tests_are_found_by_the_name_of_the_file(tree: Path) -> None:
    named = ["tests/test_indexers_clamp.py", "tests/test_indexers_clamp_more.py"]
    assert mutate.tests_for(tree, "indexers/clamp.py") == named
    assert mutate.tests_for(tree, "indexers/other.py") == []


def test_a_file_without_tests_and_tests_that_fail_anyway_are_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="no tests are named after"):
        (tree / "indexers" / "__init__.py").write_text("X = 1\n")
        run(monkeypatch, "--files", "indexers/__init__.py")
    (tree / "tests" / "test_indexers_clamp.py").write_text("def test_fails():\n    assert False\n")
    with pytest.raises(RuntimeError, match=r"without any mutant .*clamp\.py ends with 'killed'"):
        run(monkeypatch, "--files", "indexers/clamp.py")


def test_every_equivalent_mutant_on_the_list_exists_and_has_a_reason() -> None:
    known = mutate.known_equivalents(ROOT / mutate.EQUIVALENT_MUTANTS)
    for file in {key[0] for key in known}:
        source = (ROOT / file).read_text(encoding="utf-8")
        keys = {mutant.key(source) for mutant in mutants_of(file, source)}
        assert {key for key in known if key[0] == file} <= keys, "the code has changed: look at these again"
    assert all(reason.strip() for reason in known.values())
