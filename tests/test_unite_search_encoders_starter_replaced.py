"""Requests to replace one colour by another, and requests that are none."""

from __future__ import annotations

import numpy as np
import pytest

from unite_search.encoders.starter.replaced import LONGEST, find_replacement


@pytest.mark.parametrize(
    "text",
    [
        "make the red parts blue",
        "change red to blue",
        "Blue instead of red.",
        "instead of red, blue",
        "red becomes blue",
        "replace the red with blue, please",
        "substitute blue for red",
        "paint the red car blue",
        "everything red should be blue",
        "blue, not red",
        "not a red but a blue one",
    ],
)
def test_a_replacement_in_any_wording_names_both_colours(text: str) -> None:
    found = find_replacement(text)
    assert found is not None
    assert found.name == "red to blue"


@pytest.mark.parametrize(
    "text",
    [
        "make it red",
        "red and blue",
        "a man in a red shirt and blue jeans",
        "a blue bus instead of the red car",
        "turn the red dress into a blue coat",
        "replace the dog with a cat",
        "make the red parts red",
        "make it red, green and blue",
        "",
    ],
)
def test_other_requests_replace_no_colour(text: str) -> None:
    assert find_replacement(text) is None


def test_long_texts_are_not_read() -> None:
    assert find_replacement("make the red parts blue" + "," * LONGEST) is None


def test_only_the_old_colour_changes_and_takes_the_new_hue() -> None:
    edit = find_replacement("make the red parts blue")
    assert edit is not None
    thumbs = np.full((1, 28, 28, 3), 0.5, np.float32)
    thumbs[0, :14], thumbs[0, 14:20] = (0.8, 0.15, 0.1), (0.1, 0.6, 0.2)
    for formula in edit.formulas:
        changed = formula(thumbs)
        np.testing.assert_array_equal(changed[0, 14:], thumbs[0, 14:])
        assert (changed[0, :14].argmax(axis=-1) == 2).all()
