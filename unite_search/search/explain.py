"""Explain a hit: which parts of it matched a query, and where the words of the query stand in its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from unite_search import strict_json
from unite_search.analyzer import word_spans
from unite_search.media.uri import uri_to_path
from unite_search.query import Evidence
from unite_search.search.found import Found
from unite_search.search.lexical import Lookup
from unite_search.storage.words import keywords_of

MEDIA = {"image": "picture", "video": "clip"}


def evidence(found: Found, row: dict[str, Any], lookup: Lookup) -> Evidence:
    """Return the evidence for a found item with its row of the catalog."""
    forms = lookup.forms
    text = row["text"] or ""
    in_text = list(word_spans(text, forms))
    elsewhere = {name: {term for _, _, term in word_spans(value, forms)} for name, value in _other_fields(row)}
    fields = [
        *([_text_field(found.partition)] if in_text else []),
        *(name for name, terms in elsewhere.items() if terms),
    ]
    by_meaning = _media(found.partition) if found.is_near and not found.is_weak else []
    return Evidence(
        meaning=found.meaning,
        prior=found.prior,
        words=found.words,
        matched=tuple(dict.fromkeys([*fields, *by_meaning] if found.words else [*by_meaning, *fields])),
        terms=tuple(sorted({term for _, _, term in in_text}.union(*elsewhere.values()))),
        spans=_joined([(start, end) for start, end, _ in in_text]),
    )


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join spans that overlap, as those of Chinese words do."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _other_fields(row: dict[str, Any]) -> Iterable[tuple[str, str]]:
    path = uri_to_path(row["uri"])
    keywords = keywords_of(strict_json.loads(row["metadata"] or "{}"))
    return ("name", path.name), ("keywords", " | ".join(keywords)), ("folder", str(path.parent))


def _text_field(partition: str) -> str:
    return "passage" if partition == "text" else "caption"


def _media(partition: str) -> list[str]:
    """Return what an encoder saw of an item of a partition; its pictures, or the text of one that has none."""
    return [MEDIA[part] for part in partition.split("+") if part in MEDIA] or [_text_field(partition)]
