"""Queries, options, modality names: what is accepted, what is refused and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.modality import Modality, matching_partitions
from unite_search.query import Hit, Query, SearchOptions

ALL = ["image", "text", "text+image", "text+image+video", "text+video", "video"]


def test_loose_arguments_become_tuples() -> None:
    query = Query.of("red", "car", image="a.jpg", video=[Path("b.mp4")], exclude="people")
    assert query == Query(texts=("red", "car"), images=(Path("a.jpg"),), videos=(Path("b.mp4"),), exclude=("people",))


def test_a_query_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a text, an image, a video or an item to be like"):
        Query(exclude=("people",))


@pytest.mark.parametrize(("field", "value"), [("top_k", 0), ("offset", -1)])
def test_options_out_of_range_say_what_was_expected(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} is {value}; expected"):
        SearchOptions(**{field: value})


@pytest.mark.parametrize("given", [{"texts": ("",)}, {"texts": ("a", " \n")}, {"texts": ("a",), "exclude": ("",)}])
def test_a_blank_text_is_refused(given: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="no words in it"):
        Query(texts=given["texts"], exclude=given.get("exclude", ()))
    with pytest.raises(ValueError, match="no words in it"):
        Query.of(*given["texts"], exclude=given.get("exclude", ()))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["image"], ["image", "text+image", "text+image+video"]),
        (["video"], ["text+image+video", "text+video", "video"]),
        (["text"], ["text"]),
        (["image+text"], ["text+image"]),
        (["text", "video"], ["text", "text+image+video", "text+video", "video"]),
    ],
)
def test_names_mean_what_a_person_means(wanted: list[str], found: list[str]) -> None:
    assert matching_partitions(wanted, ALL) == found


def test_an_unknown_modality_is_named() -> None:
    with pytest.raises(ValueError, match="'sound'; expected text, image or video"):
        matching_partitions(["sound"], ALL)


@given(st.integers(1, 7))
def test_partition_names_go_round(code: int) -> None:
    assert Modality.from_partition(Modality(code).partition) == Modality(code)


@pytest.mark.parametrize(
    ("partition", "word"), [("text", "text"), ("text+image", "image"), ("text+image+video", "video")]
)
def test_a_hit_is_called_by_what_it_shows(partition: str, word: str) -> None:
    hit = Hit(rank=1, id=1, score=0.0, cosine=0.0, partition=partition, uri="/x", parent=1)
    assert hit.modality == word
