"""Write `unite_search/search/language_words.txt`: words by which `search/language.py` tells a language from English.

The frequencies of words in Wikipedia come from the package `langidentify-full-model` (Apache-2.0). It is not needed
otherwise: `pip install langidentify-full-model`, then `python -m tools.language_words --data DIR`.

A word is listed for a language that uses it at least `e ** TELLING` times as often as English does. It is marked with
`~`, as one that only supports others, if English has it too: in the vocabulary of the starter's tokenizer, which was
made from English text, in the captions of train photos, or in `loanwords.txt`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from importlib.resources import files
from pathlib import Path

from benchmarks.common.photos import read_photos
from unite_search.encoders.starter.encoder import WEIGHTS
from unite_search.search.language import LANGUAGES, WORD_LIST

TELLING = 2.0
"""Least difference of the logarithms of a word's frequencies in a language and in English."""
SHARED_TELLING = 2.5
"""The same for a word that English has, too."""
RAREST_SHARED = -11.0
"""Logarithm of the least frequency of a word that English has, too."""
RAREST = -15.0
"""Logarithm of the frequency of words that the English list does not have."""
MOST_WORDS = {"de": 10_000, "fr": 10_000, "es": 10_000, "it": 10_000, "pt": 10_000, "nl": 10_000}
MOST_OTHER_WORDS = 3_000
LOANWORDS = Path(__file__).with_name("loanwords.txt")
"""Food, music and the like that English has borrowed, written by hand."""


def main() -> None:
    """Write the list of words."""
    parser = argparse.ArgumentParser(prog="python -m tools.language_words", description="Write the list of words.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds captioned/")
    english = dict(_frequencies("en"))
    lines = listed(english, _english_words(parser.parse_args().data))
    WORD_LIST.write_bytes("".join(lines).encode())
    sys.stderr.write(f"{WORD_LIST}: {len(lines):,} words\n")


def listed(english: dict[str, float], known: Collection[str]) -> list[str]:
    """Return a line for each word, sorted.

    Args:
        english: logarithm of the frequency of each English word.
        known: words that count as English whatever their frequency.
    """
    languages: dict[str, list[str]] = defaultdict(list)
    for code in LANGUAGES:
        left = MOST_WORDS.get(code, MOST_OTHER_WORDS)
        for word, frequency in _frequencies(code):
            difference = frequency - english.get(word, RAREST)
            if word in known:
                if difference >= SHARED_TELLING and frequency >= RAREST_SHARED:
                    languages[word].append(f"~{code}")
            elif difference >= TELLING and left:
                languages[word].append(code)
                left -= 1
    return [f"{word} {' '.join(codes)}\n" for word, codes in sorted(languages.items())]


def _frequencies(code: str) -> Iterator[tuple[str, float]]:
    """Iterate over the words of a language and the logarithms of their frequencies, most frequent first."""
    packed = files("langidentify_full_model").joinpath("data").joinpath(f"topwords-{code}.txt.gz").read_bytes()
    for line in gzip.decompress(packed).decode().splitlines():
        word, _, frequency = line.rpartition(" ")
        if re.fullmatch(r"[^\W\d_]{2,}", word):
            yield word, float(frequency)


def _english_words(data: Path) -> set[str]:
    vocabulary = json.loads((WEIGHTS / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    captions = " ".join(caption for photo in read_photos(data, "train") for caption in photo.captions)
    return {*vocabulary, *re.findall("[a-z]+", captions.lower()), *LOANWORDS.read_text(encoding="utf-8").split()}


if __name__ == "__main__":
    main()
