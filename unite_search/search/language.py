"""Tell that a short query is in a language that the encoder does not know.

Detectors of languages are made for sentences, and are often wrong about single words. What is done here prefers silence
to a wrong answer; `docs/results/queries.json` says how often it is silent or wrong:

- A script that is not Latin tells the language by itself.
- In Latin script a query is foreign if it has a word that another language uses often and English hardly ever, and if
  most of its words are of that language. `language_words.txt` lists the words; `tools/language_words.py` makes it.
- Words that begin with a capital are taken for names, unless there are others as well.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from functools import cache
from pathlib import Path

WORD_LIST = Path(__file__).with_name("language_words.txt")
LANGUAGES = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "pl": "Polish",
    "cs": "Czech",
    "hu": "Hungarian",
    "tr": "Turkish",
}
"""By code in `language_words.txt`; the first of two that fit equally is named."""
SCRIPTS = {
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "CJK": "Chinese or Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Russian",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "GREEK": "Greek",
    "THAI": "Thai",
    "DEVANAGARI": "Hindi",
    "BENGALI": "Bengali",
    "TAMIL": "Tamil",
    "TELUGU": "Telugu",
    "GEORGIAN": "Georgian",
    "ARMENIAN": "Armenian",
}
"""The language most written in a script, by the first word of the Unicode names of its letters."""
LETTERS_OF = {"Ukrainian": "іїєґ", "Persian": "پچژگ"}
"""Letters that the language of the script in `SCRIPTS` does not have."""
SYLLABIC = ("HIRAGANA", "KATAKANA", "CJK", "HANGUL")
"""Scripts in which one letter may be a word; of others, such as Greek, one letter is a symbol."""
MOST_CHARACTERS = 1000
"""Of a longer text, the language of its beginning counts."""

_CODE = re.compile(r"[\d_/@#]|[.:]\w")
_PARTICLE = re.compile(
    "al|d[aeiou]?|das|del|della|den|der|des|dos|e|el|en|et|i|il|l[aeo]?|las|les|los|und|van|von|y|zu"
)
"""Words of names that are written without a capital."""
_WORD = re.compile(r"[^\W\d_]+")


def foreign_language(text: str, known: frozenset[str]) -> str | None:
    """Return the English name of the language of a query, such as `German`, if the encoder does not know it.

    Args:
        text: a query as a person typed it.
        known: English names of the languages that the encoder knows.

    Returns:
        None if the language is known, or if there is any doubt.
    """
    beginning = unicodedata.normalize("NFC", text[:MOST_CHARACTERS])
    found = _by_script(beginning) or _by_words(beginning)
    return None if found is None or known & {*found.split(" or ")} else found


def _by_script(text: str) -> str | None:
    """Return the language of a text that has mostly letters of a script other than Latin."""
    letters = [letter for letter in text if letter.isalpha()]
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters if not letter.isascii())
    counts = {script: count for script, count in scripts.items() if script in SCRIPTS}
    if sum(counts.values()) * 2 <= len(letters) or (len(letters) < 2 and not counts.keys() & set(SYLLABIC)):
        return None
    special = next((name for name, some in LETTERS_OF.items() if set(some) & set(text.lower())), None)
    return special or next(language for script, language in SCRIPTS.items() if script in counts)


def _by_words(text: str) -> str | None:
    """Return the language that most words of a text are of, if one of them is not English."""
    words = [word for run in text.split() if not _CODE.search(run) for word in _WORD.findall(run)]
    if all(word[0].isupper() or _PARTICLE.fullmatch(word) for word in words):
        return None
    telling: Counter[str] = Counter()
    possible: Counter[str] = Counter()
    for languages in map(_languages, words):
        telling.update(code for code in languages if not code.startswith("~"))
        possible.update(code.removeprefix("~") for code in languages)
    best = max((code for code in LANGUAGES if telling[code]), key=lambda code: possible[code], default=None)
    return LANGUAGES[best] if best and possible[best] * 2 > len(words) else None


def _languages(word: str) -> list[str]:
    """Return the codes of the languages that have a word; `~` before one says that English has it, too."""
    start, lines = f"{word.lower()} ".encode(), _lines()
    place = bisect_left(lines, start)
    found = next((line for line in lines[place : place + 1] if line.startswith(start)), start)
    return found.removeprefix(start).decode().split()


@cache
def _lines() -> list[bytes]:
    """Return the sorted lines of the list, each with a word and its languages."""
    return WORD_LIST.read_bytes().splitlines()
