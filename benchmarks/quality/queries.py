"""Measure queries as people type them: single words, short phrases, and queries in other languages.

A photo is right for a word or phrase if at least two of its five captions have all of its words, in singular or plural.
`data/queries.json` holds the queries. The encoder's templates were chosen on train photos with the first set of words;
the second set, on dev photos, was not looked at before. The queries in other languages, English words, names and codes
were written for this benchmark. The English loanwords among them were seen before `tools/loanwords.txt` was written.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_photos
from unite_search.analyzer import singular, terms
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_image
from unite_search.query import Query
from unite_search.search.encoding import encode_query
from unite_search.search.language import foreign_language

QUERIES = Path(__file__).parent / "data" / "queries.json"
TOP = 20
LEAST_RIGHT = 5
"""Words with fewer right photos are left out."""
CAPTIONS_WITH_WORD = 2
WORD = "dog"
REPEATS = 100

Rows = NDArray[np.float32]
Encode = Callable[[str], Rows]


def run(data: Path, encoder: Encoder, photos: int = 1000) -> dict[str, Any]:
    """Measure both parts.

    Args:
        data: the folder that holds `captioned/`.
        encoder: the encoder to measure.
        photos: number of train photos and of dev photos to use.
    """
    asked = json.loads(QUERIES.read_text(encoding="utf-8"))
    dev = read_photos(data, "dev")
    sets = {"chosen_on": read_photos(data, "train")[:photos], "tested_on": dev[:photos]}
    return {
        "templates": list(encoder.short_text_templates),
        "short": {name: short(found, asked["short"][name], encoder) for name, found in sets.items()},
        "cpu_milliseconds": _cpu_milliseconds(encoder),
        "language": language(asked, [caption for photo in dev for caption in photo.captions]),
    }


def short(photos: Sequence[Captioned], asked: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    """Count right photos among the first `TOP`, for words and phrases in several forms, as they are and as searched."""
    images = embed(encoder, [load_image(photo.path, encoder.media)[0] for photo in photos])
    texts = embed(encoder, [photo.captions[0] for photo in photos])
    right = {text: _right(photos, text) for text in [*asked["words"], *asked["phrases"]]}
    right = {text: found for text, found in right.items() if found.sum() >= LEAST_RIGHT}
    words = [word for word in asked["words"] if word in right]
    phrases = [phrase for phrase in asked["phrases"] if phrase in right]
    forms = {
        "word": (images, {word: word for word in words}),
        "a word": (images, {word: f"a {word}" for word in words}),
        "plural": (images, {word: asked["words"][word] for word in words}),
        "upper case": (images, {word: word.upper() for word in words}),
        "phrase": (images, {phrase: phrase for phrase in phrases}),
        "word, among captions as texts": (texts, {word: word for word in words}),
    }

    def as_typed(text: str) -> Rows:
        return np.asarray(embed(encoder, [text], "query")[0])

    def as_searched(text: str) -> Rows:
        return encode_query(encoder, Query.of(text)).embedding

    return {
        form: {
            "queries": len(typed),
            "possible": sum(min(TOP, int(right[text].sum())) for text in typed),
            "right_as_typed": _count(rows, typed, right, as_typed),
            "right_as_searched": _count(rows, typed, right, as_searched),
        }
        for form, (rows, typed) in forms.items()
    }


def _count(rows: Rows, typed: dict[str, str], right: dict[str, NDArray[np.bool_]], encoded: Encode) -> int:
    """Return the number of right items among the first `TOP` of each query, together."""
    return sum(int(right[text][np.argsort(-(rows @ encoded(form)))[:TOP]].sum()) for text, form in typed.items())


def _right(photos: Sequence[Captioned], text: str) -> NDArray[np.bool_]:
    """Return (N,) which photos are right for a text."""
    wanted = {singular(term) for term in terms(text)}
    return np.array(
        [
            sum(wanted <= {singular(term) for term in terms(caption)} for caption in photo.captions)
            >= CAPTIONS_WITH_WORD
            for photo in photos
        ]
    )


def _cpu_milliseconds(encoder: Encoder) -> dict[str, float]:
    """Return the median milliseconds of CPU time to encode a word as it is typed, and as it is searched."""
    ways: dict[str, Callable[[], object]] = {
        "as_typed": lambda: embed(encoder, [WORD], "query"),
        "as_searched": lambda: encode_query(encoder, Query.of(WORD)),
    }
    timed: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        for way, encoded in ways.items():
            started = time.process_time()
            encoded()
            timed[way].append((time.process_time() - started) * 1e3)
    return {way: round(statistics.median(times), 2) for way, times in timed.items()}


def language(asked: dict[str, Any], captions: Sequence[str]) -> dict[str, Any]:
    """Count English texts that are said to be foreign, and foreign ones that are said to be, and of which language."""
    english = {**asked["english"], "captions": captions}
    known = frozenset({"English"})
    return {
        "false_alarms": {
            kind: {
                "texts": len(texts),
                "called_foreign": sum(foreign_language(text, known) is not None for text in texts),
            }
            for kind, texts in english.items()
        },
        "found": {
            name: {
                "texts": len(texts),
                "called_foreign": sum(foreign_language(text, known) is not None for text in texts),
                "right_language": sum(foreign_language(text, known) == name for text in texts),
                "without_capitals": sum(foreign_language(text.lower(), known) is not None for text in texts),
            }
            for name, texts in asked["foreign"].items()
        },
    }
