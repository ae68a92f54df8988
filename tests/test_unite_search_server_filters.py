"""Filters of clients: what is written anew means the same, and nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unite_search.collection import Collection
from unite_search.errors import FilterError
from unite_search.server.filters import COLUMNS, MAX_DEPTH, MAX_TOKENS, checked_filter

CONDITIONS = st.sampled_from(
    [
        "width < 41",
        "width >= 100",
        "name LIKE '%.png'",
        "modality = 'image'",
        "start_s IS NULL",
        "text IS NOT NULL",
        "id IN (0, 1, 2)",
        "name NOT IN ('red.png', 'o''clock')",
        "height BETWEEN 10 AND 30",
        "starts_with(name, 're')",
        "modified_at > '2020-01-01'",
        "modified_at > date '2020-01-01'",
        "json_get_string(metadata, 'camera') = 'box'",
    ]
)


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, st.sampled_from(["AND", "or", "And"]), inner).map(" ".join)
    return pairs | inner.map("({})".format) | inner.map("NOT ({})".format)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    from PIL import Image
    from toy import COLOURS, ToyEncoder

    folder = tmp_path_factory.mktemp("filters")
    (folder / "media").mkdir()
    for number, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (40 + 40 * number, 30), colour).save(folder / "media" / f"{name}.png")
    (folder / "media" / "note.txt").write_text("words\n")
    collection = Collection.open(folder / "db", encoder=ToyEncoder(), create=True)
    collection.index([folder / "media"])
    return collection


@settings(deadline=None, max_examples=60)
@given(text=st.recursive(CONDITIONS, combined, max_leaves=6))
def test_a_checked_filter_accepts_what_the_given_one_does(indexed: Collection, text: str) -> None:
    plain = text.replace("> '2020-01-01'", "> timestamp '2020-01-01'")
    assert indexed.count(where=checked_filter(text)) == indexed.count(where=plain)


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.sampled_from("aid =<>'()-,.1%;/*\\\"\0é") | st.characters(), max_size=40))
@example(text="id = 1; DROP TABLE items")
@example(text="1 = 1 UNION SELECT * FROM x")
@example(text="id = (SELECT 1)")
@example(text="id = 1 -- comment")
@example(text="id = 1 /* comment */")
@example(text='"embedding" IS NULL')
@example(text="embedding IS NULL")
@example(text="regexp_match(name, '(a+)+$') IS NOT NULL")
@example(text="read_csv('/etc/passwd') IS NULL")
@example(text="name = 'a' 'b'")
@example(text="((" * 40 + "id = 1" + "))" * 40)
@example(text="NOT " * 400 + "id = 1")
@example(text="lower(" * 200)
def test_anything_is_refused_or_a_filter_of_known_words(text: str) -> None:
    try:
        sql = checked_filter(text)
    except FilterError as error:
        assert str(error)
        return
    outside = [part for number, part in enumerate(sql.replace("''", "").split("'")) if number % 2 == 0]
    assert not {";", '"', "--", "/*", "\0", "\\"} & {sign for part in outside for sign in (part, *part)}
    assert "embedding" not in sql


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size = 3", "unknown column 'size'; known are "),
        ("sleep(3) = 1", "unknown function 'sleep'"),
        ("lower(name, 'a') = 'a'", "lower takes 1 values, not 2"),
        ("width <", "found the end"),
        ("width = 1 height = 2", "'height' at character 11"),
        ("width ~ 3", "cannot read"),
        ("width", "expected a comparison"),
        ("", "found the end"),
    ],
)
def test_the_message_says_what_was_wrong_and_where(text: str, expected: str) -> None:
    with pytest.raises(FilterError) as refused:
        checked_filter(text)
    assert expected in str(refused.value)


def test_a_filter_nests_so_deep_and_no_deeper(indexed: Collection) -> None:
    """The outermost condition is the first level, so that one pair of parentheses fewer than levels fits."""
    assert MAX_DEPTH == 20
    deepest = "(" * 19 + "id = 1" + ")" * 19
    assert checked_filter(deepest) == "(id = 1)"
    assert indexed.count(where=checked_filter(deepest)) == 1
    with pytest.raises(FilterError, match="nested more than 20 deep"):
        checked_filter(f"({deepest})")


def test_depth_counts_levels_not_parentheses(indexed: Collection) -> None:
    side_by_side = " OR ".join(["(id = 1)"] * 30)
    assert indexed.count(where=checked_filter(side_by_side)) == 1
    half = "(" * 10 + "id = 1" + ")" * 10
    assert indexed.count(where=checked_filter(f"{half} AND {half} AND NOT {half.replace('1', '2')}")) == 1


def test_negations_pile_up_only_in_words(indexed: Collection) -> None:
    assert checked_filter("NOT NOT id = 1") == "(id = 1)"
    assert indexed.count(where=checked_filter("NOT " * 101 + "id = 1")) == 4
    with pytest.raises(FilterError, match=f"at most {MAX_TOKENS} are read"):
        checked_filter("NOT " * 300 + "id = 1")


def test_functions_count_as_levels_too(indexed: Collection) -> None:
    deepest = "lower(" * 19 + "name" + ")" * 19 + " = 'red.png'"
    assert indexed.count(where=checked_filter(deepest)) == 1
    assert indexed.count(where=checked_filter(f"{deepest} OR {deepest}")) == 1
    for deeper in (f"lower({deepest.replace('name', 'name)', 1)}", f"({deepest})"):
        with pytest.raises(FilterError, match="nested more than 20 deep"):
            checked_filter(deeper)


def test_every_column_but_the_vector_can_be_used(indexed: Collection) -> None:
    assert len(COLUMNS) > 15
    for column in COLUMNS:
        assert indexed.count(where=checked_filter(f"{column} IS NULL OR {column} IS NOT NULL")) == 5
