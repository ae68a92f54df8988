"""Recognise requests to replace one thing by another: "a cat instead of the dog", "replace the snow with sand".

A picture with such a request asks for another picture. The head embeds the request as a whole and hardly distinguishes
which of the two things is wanted; these patterns do. A request that matches none of them is left to the head.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ARTICLES = r"(?:(?:a|an|the|some|any|this|that|these|those)\s+)?"
PATTERNS = tuple(
    re.compile(pattern.replace("OLD", rf"{ARTICLES}(?P<old>.+?)").replace("NEW", rf"{ARTICLES}(?P<new>.+?)"))
    for pattern in (
        r"(?:replace|swap|exchange|switch) OLD (?:with|by|for|to) NEW",
        r"substitute NEW for OLD",
        r"(?:change|turn|convert|transform|make) OLD (?:to|into) NEW",
        r"(?:remove|drop|take away|take out|leave out) OLD and (?:add|put in|show) NEW",
        r"(?:instead of|rather than|in place of) OLD,? NEW",
        r"NEW,? (?:instead of|rather than|in place of|in the place of|and not|but not) OLD",
        r"(?:not|no) OLD,? (?:but|just|only) NEW",
        r"NEW, (?:not|no|without) OLD",
        r"OLD (?:becomes|become|should be|should become|turns into) NEW",
    )
)
OPENING = re.compile(
    r"^(?:(?:please|now|but|just|the same|i want|i would like|i'd like|show me|show|give me|find|put|use|with)\s+)+"
)
CLOSING = re.compile(r"(?:,?\s+(?:here|there|this time|now|please))+$")
LONGEST = 200
"""Most characters of a request; longer texts are descriptions, and matching them would take long."""
REFERRING = frozenset(
    {
        "it",
        "this",
        "that",
        "them",
        "everything",
        "all",
        "photo",
        "picture",
        "image",
        "clip",
        "video",
        "colours",
        "colors",
    }
)
"""Words for the picture as a whole: "turn it into a painting" is no swap."""


class Swap(NamedTuple):
    """The thing that is wanted and the thing that it replaces, in the words of the request, without article."""

    new: str
    old: str


def find_swap(request: str) -> Swap | None:
    """Find the two things that a request names; None if it is no swap."""
    if len(request) > LONGEST:
        return None
    plain = OPENING.sub("", " ".join(request.lower().split()).strip(" .!?"), count=1)
    for pattern in PATTERNS:
        match = pattern.fullmatch(CLOSING.sub("", plain))
        if match and not REFERRING & {match["new"], match["old"]}:
            return Swap(*(CLOSING.sub("", match[name]) for name in Swap._fields))
    return None
