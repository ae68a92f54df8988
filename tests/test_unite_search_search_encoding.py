"""Short texts of a query are put into the templates of the encoder; all other contents stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from toy import ToyEncoder

from unite_search.content import Content
from unite_search.encoders.base import Role
from unite_search.encoders.starter.encoder import StarterEncoder
from unite_search.errors import QueryError
from unite_search.query import Mode, Query
from unite_search.search.encoding import NEGATIVE_WEIGHT, encode_query, short_name

TEMPLATES = ("there is a {}", "one {} outdoors")


class Templated(ToyEncoder):
    """A toy encoder with templates, which remembers what it was asked."""

    short_text_templates = TEMPLATES

    def __init__(self) -> None:
        self.calls: list[list[Content]] = []

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        self.calls.append(list(contents))
        return super().encode(contents, role=role)

    def texts(self) -> list[str]:
        (contents,) = self.calls
        return [str(content.parts[-1]) for content in contents]


def unit_mean(texts: Sequence[str]) -> NDArray[np.float32]:
    mean = np.mean([ToyEncoder().encode([Content((text,))], role="query")[0] for text in texts], axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def test_a_short_text_becomes_the_unit_mean_of_its_templates_in_one_call() -> None:
    encoder = Templated()
    found = encode_query(encoder, Query.of("dog")).embedding
    assert encoder.texts() == ["there is a dog", "one dog outdoors"]
    assert found == pytest.approx(unit_mean(encoder.texts()), abs=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_short_excluded_texts_are_put_into_templates_too_and_long_ones_are_not() -> None:
    encoder = Templated()
    found = encode_query(encoder, Query.of("a dog on the beach", exclude=["snow", "people far away outside"])).embedding
    assert encoder.texts() == [
        "a dog on the beach",
        "there is a snow",
        "one snow outdoors",
        "people far away outside",
    ]
    texts = encoder.texts()
    excluded = (unit_mean(texts[1:3]) + unit_mean(texts[3:])) / 2
    expected = unit_mean(texts[:1]) - NEGATIVE_WEIGHT * excluded
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize(
    "texts", [("two dogs playing outside",), ("a dog on the beach",), ("IMG_2034",), ("red", "blue")]
)
def test_other_texts_are_encoded_as_they_are(texts: tuple[str, ...]) -> None:
    templated, plain = Templated(), ToyEncoder()
    query = Query.of(*texts)
    assert encode_query(templated, query).embedding.tolist() == encode_query(plain, query).embedding.tolist()
    assert len(templated.calls[0]) == 1


def test_a_picture_with_a_word_is_encoded_as_it_is(tmp_path: Path) -> None:
    Picture.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    encoder = Templated()
    encode_query(encoder, Query.of("night", image=tmp_path / "a.png"))
    assert encoder.texts() == ["night"]


def test_braces_in_a_query_are_text() -> None:
    assert [short_name(text) for text in ("{0}", "{}", " ")] == [None, None, None]


@pytest.mark.parametrize("text", ["dog", "red car", "New York", "l'avion", "t-shirt", "two dogs playing", "DOG", "the"])
def test_names_of_things_are_short(text: str) -> None:
    assert short_name(text) == text


@pytest.mark.parametrize("text", ["a dog", "A dog", "the dog", "an dog"])
def test_an_article_changes_nothing(text: str) -> None:
    assert short_name(text) == "dog"


def test_the_starter_gives_a_word_one_vector_in_either_case_and_the_mean_of_its_templates() -> None:
    starter = StarterEncoder()
    word, loud, article = (encode_query(starter, Query.of(text)).embedding for text in ("dog", "DOG", "a dog"))
    contents = [Content((template.format("dog"),)) for template in starter.short_text_templates]
    mean = starter.encode(contents, role="query").mean(axis=0)
    assert np.array_equal(word, loud)
    assert np.array_equal(word, article)
    assert word == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_nothing_is_searched_for_where_only_a_part_of_weight_0_is_left(tmp_path: Path) -> None:
    Picture.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    query = Query(texts=("-snow",), images=(tmp_path / "a.png",), weights={"image": 0.0})
    with pytest.raises(QueryError, match="weight 0"):
        encode_query(ToyEncoder(), query)


@pytest.mark.parametrize(("mode", "language"), [("auto", "German"), ("meaning", None)])
def test_the_language_matters_where_words_are_looked_up_instead(mode: Mode, language: str | None) -> None:
    class English(ToyEncoder):
        languages = frozenset({"English"})

    assert encode_query(English(), Query.of("schwarzer hund", mode=mode)).language == language
