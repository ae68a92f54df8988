"""Measure tiny partitions: a few captioned photos, or a few notes, beside thousands of plain photos.

Each size is drawn several times, so that at least a hundred items are asked for. An item is asked for by its own text,
and by two other captions of its photo; those are also asked with the search restricted to the small partition. Plain
photos are asked for by another of their captions, with and without the small partition beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.photos import Captioned
from benchmarks.indexers.speed import at_least, at_most
from benchmarks.quality.answers.library import (
    DATABASE,
    Setting,
    finds,
    share,
    spoken,
    write_notes,
    write_photos,
)
from unite_search.collection import Collection

PARTITIONS = ("text+image", "text")
PARAPHRASES = slice(1, 3)
"""Captions of an item that ask for it; the first one is its text."""
FEWEST_DRAWS = 2
DRAWS_WITH_PLAIN = 2
"""Draws of a size beside which plain photos are asked for."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """Whether each query was answered."""

    own_text: list[bool] = field(default_factory=list)
    paraphrase: list[bool] = field(default_factory=list)
    paraphrase_alone: list[bool] = field(default_factory=list)
    plain: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plain:
    """Plain photos to ask for: the collection, and some photos with their paths there."""

    database: Path
    asked: tuple[tuple[Captioned, Path], ...]

    def answers(self, collection: Collection) -> list[bool]:
        """Ask for each photo by its second caption."""
        return [finds(collection, spoken(photo.captions[1]), path) for photo, path in self.asked]


def run(setting: Setting) -> dict[str, Any]:
    """Measure each size of each partition."""
    plain = _plain(setting)
    with Collection.open(plain.database, encoder=setting.encoder) as collection:
        without = share(plain.answers(collection))
    results: dict[str, Any] = {
        partition: {str(size): _measured(setting, partition, size, plain) for size in setting.scale.tiny_sizes}
        for partition in PARTITIONS
    }
    rows = [row for sizes in results.values() for row in sizes.values()]
    return {
        "plain_photos": setting.scale.plain_photos,
        "plain_in_first_ten_without": without,
        **results,
        "worst": {
            "own_text_first": at_least(0.99, min(row["own_text_first"] for row in rows)),
            "paraphrase_in_first_ten_minus_alone": at_least(
                -0.05, min(row["paraphrase_in_first_ten"] - row["paraphrase_in_first_ten_alone"] for row in rows)
            ),
            "plain_in_first_ten_lost": at_most(0.01, max(without - row["plain_in_first_ten"] for row in rows)),
        },
    }


def draws(items: Sequence[Captioned], size: int, asked: int) -> list[list[Captioned]]:
    """Draw sets of `size` items, as many as it takes to have `asked` of them; within a set all differ."""
    rng = np.random.default_rng(size)
    count = max(FEWEST_DRAWS, math.ceil(asked / size))
    return [[items[place] for place in rng.choice(len(items), size, replace=False)] for _ in range(count)]


def _plain(setting: Setting) -> _Plain:
    photos = setting.photos("train")
    folder = setting.plain("train", photos)
    step = len(photos) // setting.scale.plain_asked
    asked = photos[::step][: setting.scale.plain_asked]
    return _Plain(folder / DATABASE, tuple((photo, folder / "photos" / photo.path.name) for photo in asked))


def _measured(setting: Setting, partition: str, size: int, plain: _Plain) -> dict[str, Any]:
    answers = _Answers()
    drawn = draws(_with_text_of_their_own(setting.unseen()), size, setting.scale.tiny_asked)
    for number, items in enumerate(drawn):
        folder = setting.folder / "drawn" / f"{partition}-{size}-{number}"
        texts = [item.captions[0] for item in items]
        paths = write_notes(folder, texts) if partition == "text" else write_photos(folder, items, captioned=True)
        with setting.with_files(plain.database, folder) as collection:
            _ask(collection, partition, items, paths, answers)
            if number < DRAWS_WITH_PLAIN:
                answers.plain.extend(plain.answers(collection))
    return {
        "draws": len(drawn),
        "items": len(answers.own_text),
        "own_text_first": share(answers.own_text),
        "paraphrases": len(answers.paraphrase),
        "paraphrase_in_first_ten": share(answers.paraphrase),
        "paraphrase_in_first_ten_alone": share(answers.paraphrase_alone),
        "plain_in_first_ten": share(answers.plain),
    }


def _ask(
    collection: Collection, partition: str, items: Sequence[Captioned], paths: Sequence[Path], answers: _Answers
) -> None:
    for item, path in zip(items, paths, strict=True):
        answers.own_text.append(finds(collection, spoken(item.captions[0]), path, k=1))
        for caption in map(spoken, item.captions[PARAPHRASES]):
            answers.paraphrase.append(finds(collection, caption, path))
            answers.paraphrase_alone.append(finds(collection, caption, path, modalities=(partition,)))


def _with_text_of_their_own(photos: Sequence[Captioned]) -> list[Captioned]:
    """Leave out photos that have the same first caption as another."""
    texts = [photo.captions[0].lower() for photo in photos]
    return [photo for photo, text in zip(photos, texts, strict=True) if texts.count(text) == 1]
