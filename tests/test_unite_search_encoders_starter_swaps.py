"""Requests to replace one thing by another, in many wordings, and requests that are none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from indexers.unit import unit_rows
from train.data.mine import DEV_SENTENCES
from unite_search.content import Content, Image, Part
from unite_search.encoders.base import Role
from unite_search.encoders.starter.encoder import SWAP_SHARE, StarterEncoder
from unite_search.encoders.starter.head import DIM as LEARNED_DIM
from unite_search.encoders.starter.swaps import Swap, find_swap

Floats = NDArray[np.float32]


@pytest.mark.parametrize(
    "text",
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
def test_a_swap_in_any_wording_names_both_things(text: str) -> None:
    assert find_swap(text) == Swap("cat", "dog")


def test_things_may_have_several_words() -> None:
    assert find_swap("replace the brown dog with two black cats") == Swap("two black cats", "brown dog")


@pytest.mark.parametrize("sentence", DEV_SENTENCES)
def test_wordings_that_results_are_reported_with_are_read_like_any_other(sentence: str) -> None:
    assert find_swap(sentence.format(old="snow", new="sand")) == Swap("sand", "snow")


@pytest.mark.parametrize(
    "text",
    [
        "make it red",
        "turn it into a painting",
        "change this to winter",
        "at night",
        "a dog and a cat",
        "no people",
        "the same but brighter",
        "change the picture to black and white",
        "",
        "instead of",
        "replace",
    ],
)
def test_other_requests_swap_nothing(text: str) -> None:
    assert find_swap(text) is None


def test_a_text_of_any_length_is_read_at_once() -> None:
    assert find_swap("not " * 200_000) is None
    assert find_swap(" " * 200_000 + "a cat instead of a dog") is None


@pytest.fixture(scope="module")
def starter() -> StarterEncoder:
    return StarterEncoder()


def learned(encoder: StarterEncoder, *parts: Part, role: Role = "query") -> Floats:
    """What the head contributes to a vector."""
    return unit_rows(encoder.encode([Content(parts)], role=role)[0, :LEARNED_DIM])


def test_a_swap_moves_a_picture_from_the_old_to_the_new(starter: StarterEncoder) -> None:
    """Away from what the head makes of picture and text, which is what a candidate of both has."""
    picture, text = Image(np.full((40, 40, 3), (30, 140, 40), np.uint8)), "a cat instead of the dog"
    found = learned(starter, picture, text)
    new, old = (learned(starter, word, role="candidate") for word in ("cat", "dog"))
    expected = unit_rows(learned(starter, picture, text, role="candidate") + SWAP_SHARE * (new - old))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_without_a_picture_or_in_a_candidate_a_swap_is_a_text_like_any_other(
    starter: StarterEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, text = Image(np.full((40, 40, 3), (30, 140, 40), np.uint8)), "a cat instead of the dog"
    asked = learned(starter, text), learned(starter, picture, text, role="candidate")
    monkeypatch.setattr("unite_search.encoders.starter.encoder.find_swap", lambda _: None)
    np.testing.assert_array_equal(asked[0], learned(starter, text))
    np.testing.assert_array_equal(asked[1], learned(starter, picture, text, role="candidate"))
