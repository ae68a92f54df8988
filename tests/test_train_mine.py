"""Triplets from captions: what is found, what is too trivial, and that nothing crosses a split."""

from __future__ import annotations

import pytest

from train.mine import DEV_SENTENCES, MOST_OF_A_WORD_PAIR, TRAIN_SENTENCES, Triplet, content_words, is_trivial, mine

RUNS = "A {} runs along the sandy beach ."


def test_a_pair_is_found_in_both_directions() -> None:
    captions = [[RUNS.format("dog"), "something else entirely"], [RUNS.format("horse")], ["a cat sleeps"]]
    assert mine(captions, ("{old} to {new}",)) == [Triplet(0, 1, "dog to horse"), Triplet(1, 0, "horse to dog")]


@pytest.mark.parametrize(
    ("one", "other"), [("dog", "dogs"), ("dog", "puppy"), ("walks", "walking"), ("two", "three"), ("in", "near")]
)
def test_pairs_that_change_nothing_are_left_out(one: str, other: str) -> None:
    assert is_trivial(one, other)
    assert mine([[RUNS.format(one)], [RUNS.format(other)]], TRAIN_SENTENCES) == []


@pytest.mark.parametrize(("one", "other"), [("dog", "horse"), ("red", "blue"), ("beach", "snow"), ("man", "woman")])
def test_pairs_that_change_something_are_kept(one: str, other: str) -> None:
    assert not is_trivial(one, other)


def test_two_captions_of_one_photo_make_no_pair() -> None:
    assert mine([[RUNS.format("dog"), RUNS.format("horse")]], TRAIN_SENTENCES) == []


def test_short_captions_pin_down_no_scene() -> None:
    assert mine([["a dog runs"], ["a horse runs"]], TRAIN_SENTENCES) == []


def test_frequent_pairs_of_words_are_cut_off_and_the_seed_decides() -> None:
    captions = [[RUNS.format(word)] for word in ("dog", "horse") for _ in range(6)]
    found = mine(captions, TRAIN_SENTENCES, seed=1)
    assert len(found) == 2 * MOST_OF_A_WORD_PAIR
    assert found == mine(captions, TRAIN_SENTENCES, seed=1) != mine(captions, TRAIN_SENTENCES, seed=2)


def test_articles_and_punctuation_do_not_count() -> None:
    assert content_words("The T-shirt, of a (tall) man !") == ("t-shirt", "of", "tall", "man")


def test_sentences_to_train_on_and_to_report_on_are_apart() -> None:
    assert set(TRAIN_SENTENCES).isdisjoint(DEV_SENTENCES)
