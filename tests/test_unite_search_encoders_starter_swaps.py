"""Wishes that put one thing in the place of another, in the wordings that people use, and wishes that do not."""

from __future__ import annotations

import pytest

from train.mine import DEV_SENTENCES
from unite_search.encoders.starter.swaps import Swap, find_swap


@pytest.mark.parametrize(
    "wish",
    [
        "a cat instead of the dog",
        "Cat instead of dog.",
        "replace the dog with a cat",
        "replace dog by cat",
        "swap the dog for a cat",
        "substitute a cat for the dog",
        "change the dog to a cat",
        "turn the dog into a cat, please",
        "please show me a cat rather than a dog",
        "instead of the dog, a cat",
        "not a dog but a cat",
        "a cat, not a dog",
        "with a cat in place of the dog",
        "I want a cat here, not a dog",
        "the dog becomes a cat",
        "remove the dog and add a cat",
    ],
)
def test_a_swap_in_any_wording_names_both_things(wish: str) -> None:
    assert find_swap(wish) == Swap("cat", "dog")


def test_things_may_have_several_words() -> None:
    assert find_swap("replace the brown dog with two black cats") == Swap("two black cats", "brown dog")


@pytest.mark.parametrize("sentence", DEV_SENTENCES)
def test_wordings_that_results_are_reported_with_are_read_like_any_other(sentence: str) -> None:
    assert find_swap(sentence.format(old="snow", new="sand")) == Swap("sand", "snow")


@pytest.mark.parametrize(
    "wish",
    [
        "make it red",
        "turn it into a painting",
        "change this to winter",
        "at night",
        "a dog and a cat",
        "no people",
        "the same but brighter",
        "",
        "instead of",
        "replace",
    ],
)
def test_other_wishes_swap_nothing(wish: str) -> None:
    assert find_swap(wish) is None


def test_a_text_of_any_length_is_read_at_once() -> None:
    assert find_swap("not " * 200_000) is None
    assert find_swap(" " * 200_000 + "a cat instead of a dog") is None
