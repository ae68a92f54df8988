"""Measure known items: a person types a code, a file's name or a rare word, and means one file.

Codes stand in notes beside a thousand photos, whose names are of four families. Rare words occur in the caption of one
photo of a thousand. Misspelt, they stand beside another word of that caption; the misspelt form is no word of any.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.photos import Captioned
from benchmarks.indexers.speed import at_least
from benchmarks.quality.answers.library import Setting, finds, share, write_notes, write_photos
from unite_search.collection import Collection

SENTENCES = ("where is order {}", "the letter about {} please", "{} invoice")
COMMON_FROM = 30
"""Captions that hold a word from which on it hardly helps to find one."""
SHORTEST_RARE = 4
SHORTEST_MISSPELT = 5
SUBJECTS = ("lisbon", "wedding", "office", "garden", "skiing", "grandma", "concert", "harbour")

Typo = Callable[[str, int, str], str]
TYPOS: dict[str, Typo] = {
    "a letter left out": lambda word, place, _: word[:place] + word[place + 1 :],
    "a letter replaced": lambda word, place, letter: word[:place] + letter + word[place + 1 :],
    "a letter added": lambda word, place, letter: word[:place] + letter + word[place:],
    "two letters swapped": lambda word, place, _: word[:place] + word[place + 1] + word[place] + word[place + 2 :],
}
"""Each is given a word, a place that is neither its beginning nor its end, and a letter."""


def run(setting: Setting) -> dict[str, Any]:
    """Measure codes, names, rare words and misspelt ones."""
    return {**_codes_and_names(setting), **_words(setting)}


def codes(count: int) -> list[str]:
    """Draw distinct reference codes such as `HX-4821-K`."""
    rng = np.random.default_rng(0)
    numbers = rng.choice(np.arange(1000, 10_000), count, replace=False)
    return [
        f"{rng.choice(list('ABCDEFGH'))}{rng.choice(list('XYZ'))}-{number}-{rng.choice(list('KLMN'))}"
        for number in numbers.tolist()
    ]


def names_of(photos: Sequence[Captioned]) -> dict[Path, str]:
    """Name photos as people, cameras, telephones and web sites do, in turn."""
    families = (
        lambda number, _: f"{SUBJECTS[number % len(SUBJECTS)]}-{2001 + number % 20}-{number}",
        lambda number, _: f"IMG_{7 * number + 1000:05}",
        lambda number, _: f"2021{1 + number % 12:02}{1 + number % 28:02}_{100_000 + 37 * number}",
        lambda _, photo: photo.path.stem,
    )
    return {photo.path: families[number % len(families)](number, photo) for number, photo in enumerate(photos)}


def rare_words(texts: Sequence[str]) -> dict[str, int]:
    """Return the words of `SHORTEST_RARE` letters or more that one text of all holds, with the number of that text."""
    words = [_words_of(text) for text in texts]
    counts = Counter(word for held in words for word in held)
    return {word: number for number, held in enumerate(words) for word in sorted(held) if counts[word] == 1}


def _codes_and_names(setting: Setting) -> dict[str, Any]:
    photos = setting.photos("dev")
    references = codes(setting.scale.notes)
    texts = [
        f"{photo.captions[0]} Reference {code} of the order." for photo, code in zip(photos, references, strict=False)
    ]
    folder = setting.folder / "known"
    named = write_photos(folder / "photos", photos, names=names_of(photos))
    notes = list(zip(references, write_notes(folder / "notes", texts), strict=True))
    with setting.with_files(None, folder) as collection:
        alone = [finds(collection, code, note, k=1) for code, note in notes]
        inside = [
            finds(collection, SENTENCES[number % len(SENTENCES)].format(code), note, k=1)
            for number, (code, note) in enumerate(notes)
        ]
        stems = [finds(collection, photo.stem, photo, k=1) for photo in named]
    return {
        "notes": len(notes),
        "names": len(named),
        "code_first": at_least(1.0, share(alone)),
        "code_in_a_sentence_first": at_least(1.0, share(inside)),
        "name_first": at_least(0.99, share(stems)),
        "name_first_by_family": {
            family: share(stems[place::4]) for place, family in enumerate(("person", "camera", "date", "web"))
        },
    }


def _words(setting: Setting) -> dict[str, Any]:
    photos = setting.photos("dev")
    texts = [photo.captions[0] for photo in photos]
    rare = rare_words(texts)
    rng = np.random.default_rng(1)
    asked = rng.permutation(list(rare))[: setting.scale.rare_words].tolist()
    paths = write_photos(setting.folder / "captioned", photos, captioned=True)
    with setting.with_files(None, setting.folder / "captioned") as collection:
        found = [finds(collection, word, paths[rare[word]]) for word in asked]
        by_typo = _misspelt(collection, asked, texts, paths)
    return {
        "rare_words": len(asked),
        "rare_word_in_first_ten": at_least(0.95, share(found)),
        "misspelt": sum(map(len, by_typo.values())),
        "misspelt_in_first_ten": at_least(0.8, share([one for flags in by_typo.values() for one in flags])),
        "misspelt_in_first_ten_by_typo": {typo: share(flags) for typo, flags in by_typo.items()},
    }


def _misspelt(
    collection: Collection, asked: Sequence[str], texts: Sequence[str], paths: Sequence[Path]
) -> dict[str, list[bool]]:
    """Misspell each word in every way, and ask for it after another word of its text, if that has one.

    Args:
        collection: where the texts are captions.
        asked: words that one text of all holds.
        texts: all texts.
        paths: the photo of each text.
    """
    counts = Counter(word for text in texts for word in _words_of(text))
    number_of = rare_words(texts)
    rng = np.random.default_rng(2)
    found: dict[str, list[bool]] = {typo: [] for typo in TYPOS}
    for word in asked:
        held = sorted(_words_of(texts[number_of[word]]) - {word})
        others = [other for other in held if counts[other] < COMMON_FROM]
        if len(word) < SHORTEST_MISSPELT or not others:
            continue
        for typo, misspell in TYPOS.items():
            wrong = misspell(word, int(rng.integers(1, len(word) - 1)), str(rng.choice(list(string.ascii_lowercase))))
            if wrong not in counts:
                found[typo].append(finds(collection, f"{rng.choice(others)} {wrong}", paths[number_of[word]]))
    return found


def _words_of(text: str) -> set[str]:
    return set(re.findall(rf"[a-z]{{{SHORTEST_RARE},}}", text.lower()))
