"""Check the filters of clients: a subset of SQL is parsed and written anew, so that nothing else reaches the catalog.

    duration_s < 60 AND (name LIKE '%.jpg' OR folder IN ('/a', '/b')) AND taken_at >= '2024-01-01'

The subset has the columns of the catalog except the vector, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL,
literals, and the functions below.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from unite_search.errors import FilterError
from unite_search.storage.rows import filter_columns

COLUMNS = frozenset(filter_columns())
TIMES = frozenset({"modified_at", "taken_at"})
FUNCTIONS = {
    **dict.fromkeys(("lower", "upper", "length"), 1),
    **dict.fromkeys(("starts_with", "ends_with", "contains"), 2),
    **dict.fromkeys(("json_get_string", "json_get_int", "json_get_float", "json_get_bool", "json_extract"), 2),
}
TIME_LITERALS = frozenset({"date", "timestamp"})
COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
WORDS = frozenset({"and", "or", "not", "in", "between", "like", "is", "null", "true", "false"})
MAX_LENGTH = 2000
MAX_TOKENS = 300
MAX_DEPTH = 20

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),-]))",
    re.ASCII,
)


class FilterToken(NamedTuple):
    """A token of a filter.

    Attributes:
        kind: number, text, name, sign or end.
        text: the token as written.
        at: index of its first character.
    """

    kind: str
    text: str
    at: int


def checked_filter(text: str) -> str:
    """Parse a filter and return it written anew.

    Raises:
        FilterError: the filter is outside the allowed subset of SQL; the message says where.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"the filter has {len(text)} characters; at most {MAX_LENGTH} are read")
    return _Parser(_tokens(text)).parsed()


def _tokens(text: str) -> list[FilterToken]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FilterError(f"filter: cannot read {text[at : at + 12]!r} at character {at + 1}")
        found.append(FilterToken(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    if len(found) > MAX_TOKENS:
        raise FilterError(f"the filter has {len(found)} words; at most {MAX_TOKENS} are read")
    return found


class _Parser:
    """A recursive descent parser; every method consumes tokens and returns SQL."""

    def __init__(self, tokens: list[FilterToken]) -> None:
        self._tokens = [*tokens, FilterToken("end", "", -1)]
        self._next = 0
        self._depth = 0

    def parsed(self) -> str:
        sql = self._condition()
        if self._tokens[self._next].kind != "end":
            raise self._unexpected("AND, OR or the end")
        return sql

    def _condition(self) -> str:
        self._descend()
        parts = [self._all_of()]
        while self._took("or"):
            parts.append(self._all_of())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"filter: nested more than {MAX_DEPTH} deep")

    def _all_of(self) -> str:
        parts = [self._negated()]
        while self._took("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _negated(self) -> str:
        is_negated = False
        while self._took("not"):
            is_negated = not is_negated
        if self._took("("):
            inner = self._condition()
            self._expect(")")
        else:
            inner = self._predicate()
        return f"(NOT {inner})" if is_negated else inner

    def _predicate(self) -> str:
        left, is_time = self._operand()
        if self._tokens[self._next].text in COMPARISONS:
            sign = self._take().text
            return f"({left} {sign} {self._operand(as_time=is_time)[0]})"
        if self._took("is"):
            negated = "NOT " if self._took("not") else ""
            self._expect("null")
            return f"({left} IS {negated}NULL)"
        negated = "NOT " if self._took("not") else ""
        if self._took("in"):
            return f"({left} {negated}IN ({', '.join(self._list(as_time=is_time))}))"
        if self._took("like"):
            return f"({left} {negated}LIKE {self._operand()[0]})"
        if self._took("between"):
            low = self._operand(as_time=is_time)[0]
            self._expect("and")
            return f"({left} {negated}BETWEEN {low} AND {self._operand(as_time=is_time)[0]})"
        if negated or not left.endswith(")"):
            raise self._unexpected("a comparison, IN, LIKE, BETWEEN or IS NULL")
        return left

    def _list(self, *, as_time: bool) -> list[str]:
        self._expect("(")
        values = [self._operand(as_time=as_time)[0]]
        while self._took(","):
            values.append(self._operand(as_time=as_time)[0])
        self._expect(")")
        return values

    def _operand(self, *, as_time: bool = False) -> tuple[str, bool]:
        """Return a value, and whether it is a time; a text that is compared with a time becomes a timestamp."""
        if self._took("-"):
            return f"-{self._take('number').text}", False
        token = self._tokens[self._next]
        if token.kind in ("number", "text"):
            self._take()
            return (f"timestamp {token.text}" if as_time and token.kind == "text" else token.text), False
        name = token.text.lower()
        if name in ("true", "false"):
            return self._take().text.lower(), False
        if token.kind != "name" or name in WORDS:
            raise self._unexpected("a column, a value or a function")
        self._take()
        if name in TIME_LITERALS:
            return f"{name} {self._take('text').text}", True
        if self._tokens[self._next].text == "(":
            return self._call(name), False
        if name not in COLUMNS:
            raise FilterError(f"filter: unknown column {token.text!r}; known are {', '.join(sorted(COLUMNS))}")
        return name, name in TIMES

    def _call(self, name: str) -> str:
        if name not in FUNCTIONS:
            raise FilterError(f"filter: unknown function {name!r}; known are {', '.join(sorted(FUNCTIONS))}")
        self._descend()
        given = self._list(as_time=False)
        self._depth -= 1
        if len(given) != FUNCTIONS[name]:
            raise FilterError(f"filter: {name} takes {FUNCTIONS[name]} values, not {len(given)}")
        return f"{name}({', '.join(given)})"

    def _took(self, text: str) -> bool:
        """Consume the next token if it is this word or sign, and return whether it was."""
        token = self._tokens[self._next]
        if token.kind in ("name", "sign") and token.text.lower() == text:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._took(text):
            raise self._unexpected(text.upper())

    def _take(self, kind: str | None = None) -> FilterToken:
        token = self._tokens[self._next]
        if kind is not None and token.kind != kind:
            raise self._unexpected(f"a {kind}")
        self._next += 1
        return token

    def _unexpected(self, expected: str) -> FilterError:
        token = self._tokens[self._next]
        found = "the end" if token.kind == "end" else f"{token.text[:20]!r} at character {token.at + 1}"
        return FilterError(f"filter: expected {expected}, found {found}")
