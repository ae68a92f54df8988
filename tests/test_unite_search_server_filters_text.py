"""What exactly a client's filter becomes, what exactly a refusal says, and where its limits are."""

from __future__ import annotations

import pytest

from unite_search.errors import FilterError
from unite_search.server import filters
from unite_search.server.filters import checked_filter


def refusal(text: str) -> str:
    with pytest.raises(FilterError) as refused:
        checked_filter(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width = 1", "(width = 1)"),
        ("  width=1\t\n", "(width = 1)"),
        ("WIDTH Is Null", "(width IS NULL)"),
        ("width is not null", "(width IS NOT NULL)"),
        *((f"width {sign} 1", f"(width {sign} 1)") for sign in ("=", "!=", "<>", "<", "<=", ">", ">=")),
        ("width = 1 or height = 2 OR id = 3", "((width = 1) OR (height = 2) OR (id = 3))"),
        ("width = 1 and height = 2 AND id = 3", "((width = 1) AND (height = 2) AND (id = 3))"),
        ("width = 1 or height = 2 and id = 3", "((width = 1) OR ((height = 2) AND (id = 3)))"),
        ("(width = 1 or height = 2) and id = 3", "(((width = 1) OR (height = 2)) AND (id = 3))"),
        ("((width = 1))", "(width = 1)"),
        ("not width = 1", "(NOT (width = 1))"),
        ("not not width = 1", "(width = 1)"),
        ("not not not (width = 1 or id = 2)", "(NOT ((width = 1) OR (id = 2)))"),
        ("width in (1)", "(width IN (1))"),
        ("width not in (1, -2, 3.5)", "(width NOT IN (1, -2, 3.5))"),
        ("name like '%.jpg'", "(name LIKE '%.jpg')"),
        ("name not like 'a%'", "(name NOT LIKE 'a%')"),
        ("name like lower('A%')", "(name LIKE lower('A%'))"),
        ("width between 1 and 2 and id = 3", "((width BETWEEN 1 AND 2) AND (id = 3))"),
        ("width not between -1 and height", "(width NOT BETWEEN -1 AND height)"),
        ("duration_s < 1.5e-3", "(duration_s < 1.5e-3)"),
        ("duration_s < 2E+10", "(duration_s < 2E+10)"),
        ("name = 'it''s'", "(name = 'it''s')"),
        ("name = ''", "(name = '')"),
        ("TRUE = false", "(true = false)"),
        ("starts_with(name, 'a')", "starts_with(name, 'a')"),
        ("not Contains(text, 'a')", "(NOT contains(text, 'a'))"),
        ("lower(upper(name)) = 'a'", "(lower(upper(name)) = 'a')"),
        ("length(name) > 3", "(length(name) > 3)"),
        ("json_get_int(metadata, 'a') = 1", "(json_get_int(metadata, 'a') = 1)"),
        ("taken_at > '2024-01-01'", "(taken_at > timestamp '2024-01-01')"),
        ("taken_at > date '2024-01-01'", "(taken_at > date '2024-01-01')"),
        ("date '2024-01-01' < '2025-01-01'", "(date '2024-01-01' < timestamp '2025-01-01')"),
        ("taken_at in ('2024-01-01', '2025-01-01')", "(taken_at IN (timestamp '2024-01-01', timestamp '2025-01-01'))"),
        ("modified_at between '2024' and '2025'", "(modified_at BETWEEN timestamp '2024' AND timestamp '2025')"),
        ("taken_at = 5", "(taken_at = 5)"),
        ("name > '2024-01-01'", "(name > '2024-01-01')"),
        ("name in ('2024-01-01', '2025')", "(name IN ('2024-01-01', '2025'))"),
        ("name between '2024' and '2025'", "(name BETWEEN '2024' AND '2025')"),
        ("lower(name) > '2024'", "(lower(name) > '2024')"),
        ("'2024' < '2025'", "('2024' < '2025')"),
        ("-1 < '2024'", "(-1 < '2024')"),
        ("true = '2024'", "(true = '2024')"),
    ],
)
def test_what_a_filter_becomes(text: str, expected: str) -> None:
    assert checked_filter(text) == expected
    assert checked_filter(expected) == expected or "timestamp" in expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "filter: expected a column, a value or a function, found the end"),
        ("width =", "filter: expected a column, a value or a function, found the end"),
        ("width = and", "filter: expected a column, a value or a function, found 'and' at character 9"),
        ("width = )", "filter: expected a column, a value or a function, found ')' at character 9"),
        ("width = 1 height = 2", "filter: expected AND, OR or the end, found 'height' at character 11"),
        ("width = 1)", "filter: expected AND, OR or the end, found ')' at character 10"),
        ("(width = 1", "filter: expected ), found the end"),
        ("width", "filter: expected a comparison, IN, LIKE, BETWEEN or IS NULL, found the end"),
        ("width not 5", "filter: expected a comparison, IN, LIKE, BETWEEN or IS NULL, found '5' at character 11"),
        ("lower(name) not 5", "filter: expected a comparison, IN, LIKE, BETWEEN or IS NULL, found '5' at character 17"),
        ("5", "filter: expected a comparison, IN, LIKE, BETWEEN or IS NULL, found the end"),
        ("width is 5", "filter: expected NULL, found '5' at character 10"),
        ("width in 5", "filter: expected (, found '5' at character 10"),
        ("width in (5", "filter: expected ), found the end"),
        ("width between 1 or 2", "filter: expected AND, found 'or' at character 17"),
        ("width = -name", "filter: expected a number, found 'name' at character 10"),
        ("taken_at > date 5", "filter: expected a text, found '5' at character 17"),
        ("lower() = 'a'", "filter: expected a column, a value or a function, found ')' at character 7"),
        ("lower(name, name) = 'a'", "filter: lower takes 1 values, not 2"),
        ("starts_with(name)", "filter: starts_with takes 2 values, not 1"),
        ("width ~ 3", "filter: cannot read ' ~ 3' at character 6"),
        ("name = 'open", 'filter: cannot read " \'open" at character 7'),
        ("width = 1 " + "~" * 30, "filter: cannot read ' ~~~~~~~~~~~' at character 10"),
        (f"width = 1 {'x' * 30}", f"filter: expected AND, OR or the end, found '{'x' * 20}' at character 11"),
    ],
)
def test_what_a_refusal_says(text: str, expected: str) -> None:
    assert refusal(text) == expected


def test_a_refusal_of_a_name_lists_those_that_are_known() -> None:
    assert refusal("Size = 3").startswith("filter: unknown column 'Size'; known are content_hash, duration_s, ")
    assert "embedding" not in refusal("embedding IS NULL").partition(";")[2]
    assert refusal("sleep(3) = 1") == (
        "filter: unknown function 'sleep'; known are contains, ends_with, json_extract, json_get_bool, json_get_float, "
        "json_get_int, json_get_string, length, lower, starts_with, upper"
    )


@pytest.mark.parametrize("name", ["contains", "ends_with", "starts_with", "json_get_string", "json_get_int"])
def test_functions_of_two_values(name: str) -> None:
    assert checked_filter(f"{name}(name, 'a')") == f"{name}(name, 'a')"
    assert refusal(f"{name}(name, 'a', 'b')") == f"filter: {name} takes 2 values, not 3"


@pytest.mark.parametrize("name", ["json_get_float", "json_get_bool", "json_extract"])
def test_more_functions_of_two_values(name: str) -> None:
    assert checked_filter(f"{name}(metadata, 'a') = 1") == f"({name}(metadata, 'a') = 1)"
    assert refusal(f"{name}(metadata)") == f"filter: {name} takes 2 values, not 1"


def test_limits_are_those_that_the_manual_gives() -> None:
    """2,000 characters, 300 words, 20 levels: enough for a person, and too little to overflow a recursive parser."""
    assert (filters.MAX_LENGTH, filters.MAX_TOKENS, filters.MAX_DEPTH) == (2000, 300, 20)


def test_a_filter_of_2000_characters_is_read_and_one_of_2001_is_not() -> None:
    text = f"name = '{'a' * 1991}'"
    assert len(text) == 2000
    assert checked_filter(text) == f"({text})"
    assert refusal(text + " ") == "the filter has 2001 characters; at most 2000 are read"


def test_a_filter_of_300_words_is_read_and_one_of_301_is_not() -> None:
    inside = ", ".join("1" * 148)
    text = f"id in ({inside})"  # 4 words around 148 numbers and 147 commas
    assert checked_filter(f"{text}") == f"(id IN ({inside}))"
    assert refusal(f"NOT {text}, 1)".replace("), 1)", ", 1)")) == "the filter has 302 words; at most 300 are read"
    assert refusal(f"NOT NOT {text}") == "the filter has 301 words; at most 300 are read"
    assert checked_filter(f"NOT {text}") == f"(NOT (id IN ({inside})))"


def test_a_filter_may_be_nested_20_deep_and_side_by_side_as_often_as_one_likes() -> None:
    deep = f"{'(' * 19}id = 1{')' * 19}"
    assert checked_filter(deep) == "(id = 1)"
    assert refusal(f"({deep})") == "filter: nested more than 20 deep"
    assert refusal(f"(id = 1) or (id = 2) or ({deep})") == "filter: nested more than 20 deep"
    wide = " or ".join(["(id = 1)"] * 40)
    assert checked_filter(wide) == f"({' OR '.join(['(id = 1)'] * 40)})"
    assert checked_filter(f"{deep} and {deep}") == "((id = 1) AND (id = 1))"
