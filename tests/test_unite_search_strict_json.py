"""JSON that every parser reads: compared with Python's own module where that is strict."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search import strict_json
from unite_search.cli.output import print_json

KEYS = st.text(max_size=4)
FINITE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
ANY = st.recursive(
    st.none() | st.floats() | st.binary(max_size=4) | st.dates() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@given(FINITE)
def test_what_json_holds_is_written_as_python_writes_it(value: Any) -> None:
    assert strict_json.dumps(value) == json.dumps(value, ensure_ascii=False)
    assert strict_json.loads(json.dumps(value)) == value


@given(ANY)
def test_whatever_is_written_every_parser_reads(value: Any) -> None:
    text = strict_json.dumps(value)
    assert json.loads(text, parse_constant=refuse) == strict_json.loads(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        ([math.inf, -math.inf, 1.5], [None, None, 1.5]),
        ({"a": {"b": (math.nan,)}}, {"a": {"b": [None]}}),
        ({math.nan: 1, 2: math.nan}, {"nan": 1, "2": None}),
        (np.float32("nan"), None),
        (np.array([1.0, np.inf]), [1.0, None]),
        (np.int64(3), 3),
        (b"text", "text"),
        (b"\xff\x00", "/wA="),
        (Path("/a/b"), "/a/b"),
        (datetime.datetime(2020, 1, 2, 3, 4), "2020-01-02T03:04:00"),
    ],
)
def test_what_json_does_not_hold(value: Any, expected: Any) -> None:
    assert json.loads(strict_json.dumps(value), parse_constant=refuse) == expected


def test_what_others_wrote_is_read_without_nan() -> None:
    assert strict_json.loads('{"a": NaN, "b": [Infinity, -Infinity, 1e999, -1e999, 0.5]}') == {
        "a": None,
        "b": [None, None, None, None, 0.5],
    }
    with pytest.raises(ValueError, match="nested"):
        strict_json.loads("[" * 100_000)


def test_no_command_prints_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"score": math.nan, "path": Path("x"), "deep": [{"inf": math.inf}]})
    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "score": None,
        "path": "x",
        "deep": [{"inf": None}],
    }
