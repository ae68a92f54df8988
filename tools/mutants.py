"""The small edits of a source file that `tools.mutate` tries; each replaces some characters and keeps all others.

A comparison, number, operator, text default or slice bound is changed, `and` and `or` are swapped, a `not` is removed,
a returned value becomes None, a statement is deleted, a block becomes a raise, `break` and `continue` are swapped.
Nothing inside an annotation, a docstring, an f-string, `if TYPE_CHECKING` or the brackets of `@dataclass` is changed.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

RAISE = 'raise RuntimeError("mutant")'
COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DELETABLE = ast.Assign | ast.AugAssign | ast.Delete | ast.Raise | ast.Expr

Edit = tuple[str, int, int, str]
"""Kind of edit, first character, the character after the last one, what stands there instead."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """An edit that replaces `source[start:end]` by `new`.

    Attributes:
        file: path in the tree, with slashes.
        function: qualified name of the function or class that holds the edit; empty at module level.
        operator: kind of edit.
        start: index of the first character replaced.
        end: index after the last character replaced.
        new: replacement.
    """

    file: str
    function: str
    operator: str
    start: int
    end: int
    new: str

    def applied(self, source: str) -> str:
        """Return the source with the edit."""
        return source[: self.start] + self.new + source[self.end :]

    def line(self, source: str) -> int:
        """Return the number of the line where the edit begins, from 1."""
        return source.count("\n", 0, self.start) + 1

    def key(self, source: str) -> tuple[str, str, str, str]:
        """Return an identity that does not depend on line numbers: file, function, the line, the changed line."""
        number = self.line(source) - 1
        before, after = (text.split("\n")[number].strip() for text in (source, self.applied(source)))
        return self.file, self.function, before, after

    def diff(self, source: str) -> str:
        """Return the edit as a unified diff."""
        before, after = source.split("\n"), self.applied(source).split("\n")
        return "\n".join(difflib.unified_diff(before, after, self.file, self.file, lineterm="", n=2))


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return every mutant of a source file that compiles and differs from it, in the order of the source."""
    tree = ast.parse(source)
    original = ast.dump(tree)
    found = []
    for mutant in sorted(set(_Finder(file, source).found(tree)), key=lambda one: (one.start, one.end, one.new)):
        try:
            changed = ast.dump(ast.parse(mutant.applied(source)))
        except SyntaxError:
            continue
        if changed != original:
            found.append(mutant)
    return found


class _Finder:
    """Walks a syntax tree and proposes edits."""

    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source
        self._lines = source.split("\n")
        self._line_starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))

    def found(self, tree: ast.Module) -> Iterator[Mutant]:
        for function, node in self._visited(tree, ""):
            for operator, start, end, new in self._edits(node):
                yield Mutant(self._file, function, operator, start, end, new)

    def _visited(self, node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
        """Yield all nodes that may change, each with the name of the function or class that holds it."""
        if isinstance(node, ast.If) and _is_name(node.test, "TYPE_CHECKING"):
            return
        if isinstance(node, ast.Call) and _is_name(node.func, "dataclass"):
            return
        yield function, node
        if isinstance(node, SCOPES):
            function = f"{function}.{node.name}".lstrip(".")
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and not _is_text(child):
                    yield from self._visited(child, function)

    def _edits(self, node: ast.AST) -> Iterator[Edit]:
        if isinstance(node, ast.Compare):
            yield from self._comparisons(node)
        elif isinstance(node, ast.BoolOp):
            yield from self._connectives(node)
        elif isinstance(node, (ast.BinOp, ast.AugAssign)):
            yield from self._arithmetic(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield ("remove not", self._start(node), self._start(node.operand), "")
        elif isinstance(node, ast.Constant):
            yield from self._constants(node)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield ("return None", self._start(node.value), self._end(node.value), "None")
        elif isinstance(node, (ast.Break, ast.Continue)):
            other = "continue" if isinstance(node, ast.Break) else "break"
            yield (f"{other} instead", self._start(node), self._end(node), other)
        elif isinstance(node, ast.Slice):
            bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
            yield from (("drop slice bound", self._start(bound), self._end(bound), "") for bound in bounds)
        if isinstance(node, DELETABLE):
            yield ("delete statement", self._start(node), self._end(node), "pass")
        if isinstance(node, ast.arguments):
            yield from self._text_defaults(node)
        yield from self._blocks(node)

    def _comparisons(self, node: ast.Compare) -> Iterator[Edit]:
        operands = [node.left, *node.comparators]
        for left, sign, right in zip(operands, node.ops, operands[1:], strict=False):
            old, new = COMPARISONS[type(sign)]
            yield from self._between("comparison", left, right, (old, new))

    def _connectives(self, node: ast.BoolOp) -> Iterator[Edit]:
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self._between("and/or", left, right, words)

    def _arithmetic(self, node: ast.BinOp | ast.AugAssign) -> Iterator[Edit]:
        if type(node.op) in ARITHMETIC:
            left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            yield from self._between("arithmetic", left, right, ARITHMETIC[type(node.op)])

    def _between(self, operator: str, left: ast.AST, right: ast.AST, signs: tuple[str, str]) -> Iterator[Edit]:
        """Replace the operator between two operands; only brackets, spaces and comments stand beside it."""
        old, new = signs
        pattern = r"\s+".join(map(re.escape, old.split()))
        start = self._end(left)
        match = re.search(
            pattern, re.sub(r"#.*", lambda note: " " * len(note[0]), self._source[start : self._start(right)])
        )
        if match:
            yield (operator, start + match.start(), start + match.end(), new)

    def _constants(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        changed: list[object]
        if isinstance(value, bool):
            changed = [not value]
        elif isinstance(value, int):
            changed = [value + 1, value - 1]
        elif isinstance(value, float):
            changed = [2 * value or 1.0]
        else:
            return
        for new in changed:
            yield ("constant", self._start(node), self._end(node), repr(new))

    def _text_defaults(self, node: ast.arguments) -> Iterator[Edit]:
        for default in (*node.defaults, *node.kw_defaults):
            if isinstance(default, ast.Constant) and isinstance(default.value, str):
                yield ("default", self._start(default), self._end(default), repr(default.value + "?"))

    def _blocks(self, node: ast.AST) -> Iterator[Edit]:
        if isinstance(node, (ast.ClassDef, ast.Module)):
            return
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and (rest := block[1:] if _is_text(block[:1]) else block):
                if isinstance(rest[0], ast.If) and name == "orelse" and self._text_at(rest[0]).startswith("elif"):
                    continue
                yield ("raise instead of block", self._start(rest[0]), self._end(rest[-1]), RAISE)

    def _text_at(self, node: ast.AST) -> str:
        return self._source[self._start(node) :]

    def _start(self, node: Any) -> int:
        first = min([node, *getattr(node, "decorator_list", [])], key=lambda one: one.lineno)
        at = self._offset(first.lineno, first.col_offset)
        return at if first is node else self._source.rindex("@", 0, at)

    def _end(self, node: Any) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        """Return the index in the text of a column that counts UTF-8 bytes."""
        return self._line_starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_text(node: Any) -> bool:
    """Return whether a statement, or a list that holds one, is a docstring."""
    if isinstance(node, list):
        return bool(node) and _is_text(node[0])
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
