"""Captions with one word changed: which words change for which, and that nothing else does."""

from __future__ import annotations

import pytest

from train.data.mine import DEV_SENTENCES, content_words
from train.data.rewrite import EACH, FEWEST_PLACES, SENTENCES, Rewritten, exchangeable, rewrite

SCENES = ("a man in a {} shirt runs", "two girls with {} balloons laugh", "an old {} car stands still")
CAPTIONS = [[scene.format(colour)] for scene in SCENES for colour in ("red", "blue")]


def test_words_between_the_same_neighbours_are_exchangeable() -> None:
    assert len(SCENES) == FEWEST_PLACES
    assert exchangeable(CAPTIONS) == {"red": {"blue": 3}, "blue": {"red": 3}}


def test_two_neighbourhoods_are_too_few() -> None:
    assert exchangeable(CAPTIONS[:4]) == {}


def test_words_for_the_same_thing_are_not_exchanged() -> None:
    assert exchangeable([[scene.format(word)] for scene in SCENES for word in ("rock", "boulder")]) == {}


def test_the_caption_changes_in_one_word_and_the_sentence_names_it() -> None:
    rewritten = rewrite(CAPTIONS)
    assert {found.photo for found in rewritten} == set(range(len(CAPTIONS)))
    for found in rewritten:
        (before,) = CAPTIONS[found.photo]
        changed = [
            (old, new)
            for old, new in zip(content_words(before), content_words(found.caption), strict=True)
            if old != new
        ]
        assert changed in ([("red", "blue")], [("blue", "red")])
        assert changed[0][1] in found.edit


def test_the_seed_decides() -> None:
    assert rewrite(CAPTIONS, seed=1) == rewrite(CAPTIONS, seed=1) != rewrite(CAPTIONS, seed=2)


def test_a_photo_gives_a_few_at_most_and_one_without_known_words_none() -> None:
    many = [[text for texts in CAPTIONS for text in texts] * 3, ["nothing to see"]]
    photos = [found.photo for found in rewrite([*CAPTIONS, *many])]
    assert photos.count(len(CAPTIONS)) == EACH
    assert photos.count(len(CAPTIONS) + 1) == 0


def test_part_of_a_word_stays() -> None:
    captions = [*CAPTIONS, ["a red rider on a bored redhead"]]
    assert rewrite(captions)[-1] == Rewritten(6, rewrite(captions)[-1].edit, "a blue rider on a bored redhead")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_to_train_on_are_not_those_to_report_on(sentence: str) -> None:
    assert "{new}" in sentence
    assert sentence not in DEV_SENTENCES
